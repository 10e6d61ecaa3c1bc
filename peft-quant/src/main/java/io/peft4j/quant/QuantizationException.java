package io.peft4j.quant;

/** Weights that cannot be quantized, or quantized weights whose state does not hold together. */
public final class QuantizationException extends IllegalArgumentException {
  private static final long serialVersionUID = 1L;

  /**
   * @param message what was wrong, with what was expected and what was found
   */
  public QuantizationException(String message) {
    super(message);
  }

  /**
   * @param message what was wrong
   * @param cause why
   */
  public QuantizationException(String message, Throwable cause) {
    super(message, cause);
  }
}
