package io.peft4j.cli;

import io.peft4j.train.Trainer;
import io.peft4j.train.report.RunSummary;
import java.io.IOException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/**
 * Ctrl-C and SIGTERM during training: the JVM waits until the run has written a checkpoint and its
 * native operations have ended. Without, libtorch would be taken down under a running operation,
 * which can crash the process.
 */
public final class CleanExit implements AutoCloseable {

  private static final int MINUTES = 2;

  /** For models to be closed, and the command to say how it ended, before the JVM is gone. */
  private static final int LAST_MILLIS = 500;

  private final Trainer trainer;
  private final Thread training = Thread.currentThread();
  private final CountDownLatch ended = new CountDownLatch(1);
  private final Thread hook = new Thread(this::end, "peft-exit");

  private CleanExit(Trainer trainer) {
    this.trainer = trainer;
    Runtime.getRuntime().addShutdownHook(hook);
  }

  /**
   * {@link Trainer#train}, which a signal to the process ends after the present step.
   *
   * @throws java.util.concurrent.CancellationException if one did
   */
  public static RunSummary train(Trainer trainer, boolean resume) throws IOException {
    try (CleanExit exit = new CleanExit(trainer)) {
      return trainer.train(resume);
    }
  }

  private void end() {
    System.err.println("\nending after the present step, with a checkpoint (kill -9: at once)");
    trainer.stop();
    try {
      if (ended.await(MINUTES, TimeUnit.MINUTES)) {
        training.join(LAST_MILLIS);
      } else {
        System.err.println("the step takes more than " + MINUTES + " minutes: ending without it");
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  @Override
  public void close() {
    ended.countDown();
    try {
      Runtime.getRuntime().removeShutdownHook(hook);
    } catch (IllegalStateException e) {
      // the JVM is ending, and the hook running
    }
  }
}
