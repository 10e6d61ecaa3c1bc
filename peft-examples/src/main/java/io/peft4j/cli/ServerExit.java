package io.peft4j.cli;

import io.peft4j.server.PeftServer;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/**
 * Waits until a server is to end, by Ctrl-C, SIGTERM or an interrupt, and lets it finish what runs.
 * The JVM stays until this is closed, after the model: libtorch must not be taken down under a
 * running operation.
 */
final class ServerExit implements AutoCloseable {

  /** For the model to be closed, or a load that a signal comes into to end. */
  private static final Duration LAST = Duration.ofSeconds(20);

  private final Duration grace;
  private final CountDownLatch told = new CountDownLatch(1);
  private final CountDownLatch ended = new CountDownLatch(1);
  private final Thread hook = new Thread(this::end, "peft-serve-exit");

  ServerExit(Duration grace) {
    this.grace = grace;
    Runtime.getRuntime().addShutdownHook(hook);
  }

  /** Waits, and closes the server. */
  void await(PeftServer server) {
    try {
      told.await();
    } catch (InterruptedException e) {
      // as good as a signal, from a program that runs the command in a thread
    }
    System.err.println("ending: requests that run have " + grace.toSeconds() + " seconds");
    int cut = server.close(grace);
    System.err.println(cut == 0 ? "ended; nothing was cut" : "ended; requests cut: " + cut);
  }

  private void end() {
    told.countDown();
    try {
      ended.await(grace.plus(LAST).toMillis(), TimeUnit.MILLISECONDS);
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
