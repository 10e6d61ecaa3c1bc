package io.peft4j.serve;

/** A registered adapter cannot be used; the message says why. Other adapters can. */
public final class AdapterException extends RuntimeException {

  private static final long serialVersionUID = 1L;

  AdapterException(String message, Throwable cause) {
    super(message, cause);
  }
}
