package io.peft4j.server;

import io.peft4j.serve.AdapterException;
import io.peft4j.serve.RejectedException;
import io.peft4j.serve.UnknownAdapterException;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeoutException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What callers are told of what went wrong; the log has the rest. */
public final class Failures {

  private static final Logger LOGGER = LoggerFactory.getLogger(PeftServer.class);

  private Failures() {}

  /**
   * {@return a failure in words for callers}
   *
   * @param path what it was that failed, for the log
   */
  public static ApiException of(Throwable failure, String path) {
    Throwable cause = failure;
    while (cause instanceof CompletionException && cause.getCause() != null) {
      cause = cause.getCause();
    }
    if (cause instanceof ApiException e) {
      return e;
    }
    if (cause instanceof RejectedException e) {
      return e.retryAfter() == null ? ApiException.ending() : ApiException.busy(e.retryAfter());
    }
    if (cause instanceof UnknownAdapterException e) {
      return ApiException.unknown(e.getMessage());
    }
    if (cause instanceof AdapterException) {
      LOGGER.warn("{}: {}", path, cause.getMessage());
      return ApiException.failed(Requests.withoutPlaces(cause.getMessage()));
    }
    if (cause instanceof TimeoutException) {
      return ApiException.late();
    }
    if (cause instanceof IllegalArgumentException) {
      LOGGER.info("{} refused: {}", path, cause.getMessage());
      return ApiException.bad(null, Requests.withoutPlaces(cause.getMessage()));
    }
    // files and places of the server are nobody else's business
    LOGGER.warn("{} failed: {}", path, cause.toString(), cause);
    return ApiException.failed("the request failed; the server's log says why");
  }
}
