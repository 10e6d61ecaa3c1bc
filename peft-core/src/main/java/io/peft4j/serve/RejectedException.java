package io.peft4j.serve;

import java.time.Duration;

/** The router takes no more requests at the moment, or none any more. */
public final class RejectedException extends RuntimeException {

  private static final long serialVersionUID = 1L;

  private final Duration retryAfter;

  RejectedException(String message, Duration retryAfter) {
    super(message);
    this.retryAfter = retryAfter;
  }

  /** {@return when it may be worth another try; null for never: the router is being closed} */
  public Duration retryAfter() {
    return retryAfter;
  }
}
