package io.peft4j.hub;

import java.io.IOException;

/** The hub, or the cache of what was downloaded from it, could not give what was asked for. */
public final class HubException extends IOException {
  private static final long serialVersionUID = 1L;

  private final int status;

  HubException(String message) {
    this(message, 0);
  }

  HubException(String message, int status) {
    super(message);
    this.status = status;
  }

  HubException(String message, Throwable cause) {
    super(message, cause);
    this.status = 0;
  }

  /** The HTTP status that the hub answered, or 0 if the trouble was another. */
  public int status() {
    return status;
  }

  /** Whether the same request may succeed a moment later. */
  boolean passing() {
    return status == 408 || status == 429 || (status >= 500 && status != 501);
  }
}
