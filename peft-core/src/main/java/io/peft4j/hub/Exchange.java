package io.peft4j.hub;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.net.URI;
import java.net.http.HttpTimeoutException;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** Waits for an answer and its body, and gives up if nothing comes for too long. */
final class Exchange {
  private static final long POLL_MILLIS = 100;

  private Exchange() {}

  /**
   * Java's client bounds the wait for an answer's head, but a body may stall for ever.
   *
   * @param out what the body goes to, or null if there is none
   */
  static <T> T await(CompletableFuture<T> answer, Incoming out, Duration timeout, URI address)
      throws IOException {
    long begun = System.nanoTime();
    try {
      while (true) {
        try {
          return answer.get(POLL_MILLIS, TimeUnit.MILLISECONDS);
        } catch (TimeoutException e) {
          long news = out == null ? begun : Math.max(begun, out.lastNews());
          if (System.nanoTime() - news > timeout.toNanos()) {
            throw new HttpTimeoutException(HubRequest.plain(address) + " sends no more bytes");
          }
        }
        rethrow(out);
      }
    } catch (ExecutionException e) {
      rethrow(out);
      String why = e.getCause().getMessage();
      String what = e.getCause().getClass().getSimpleName() + (why == null ? "" : ", " + why);
      throw new IOException(HubRequest.plain(address) + ": " + what, e.getCause());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptedIOException("interrupted while reading " + HubRequest.plain(address));
    } finally {
      answer.cancel(true);
    }
  }

  private static void rethrow(Incoming out) throws IOException {
    if (out != null && out.failure() != null) {
      throw out.failure();
    }
  }
}
