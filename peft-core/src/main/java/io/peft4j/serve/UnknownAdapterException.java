package io.peft4j.serve;

/** No adapter is registered under the name that a request gives. */
public final class UnknownAdapterException extends RuntimeException {

  private static final long serialVersionUID = 1L;

  UnknownAdapterException(String name) {
    super("no adapter named '" + name + "' is registered");
  }
}
