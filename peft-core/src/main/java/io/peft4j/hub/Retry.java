package io.peft4j.hub;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.time.Duration;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Tries again after trouble that may pass, waiting longer each time. */
record Retry(int retries, Duration delay) {
  private static final Logger LOG = LoggerFactory.getLogger(Retry.class);
  private static final int MAX_DOUBLINGS = 4;

  /** Something to try. */
  interface Attempt<T> {
    T run() throws IOException;
  }

  /** How far it has come. */
  interface Distance {
    long get() throws IOException;
  }

  /**
   * @param done grows with every attempt that achieves something; such an attempt starts the count
   *     of failures afresh
   * @throws IOException the last failure, when there were more than {@link #retries} in a row, or
   *     one that will not pass
   */
  <T> T run(Attempt<T> attempt, Distance done) throws IOException {
    int failures = 0;
    while (true) {
      long before = done.get();
      try {
        return attempt.run();
      } catch (InterruptedIOException | UnreachableException e) {
        throw e;
      } catch (IOException e) {
        if (e instanceof HubException hub && !hub.passing()) {
          throw e;
        }
        failures = done.get() > before ? 1 : failures + 1;
        if (failures > retries) {
          throw e;
        }
        LOG.warn("{}; trying again", e.toString());
      }
      pause(delay.multipliedBy(1L << Math.min(failures - 1, MAX_DOUBLINGS)));
    }
  }

  private static void pause(Duration time) throws InterruptedIOException {
    try {
      Thread.sleep(time.toMillis());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptedIOException("interrupted before a new try");
    }
  }
}
