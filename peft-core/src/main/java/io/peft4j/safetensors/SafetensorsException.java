package io.peft4j.safetensors;

/**
 * A safetensors file or checkpoint index whose content is not valid. The message names the file,
 * the tensor if there is one, what was expected and what was found.
 */
public final class SafetensorsException extends IllegalArgumentException {
  private static final long serialVersionUID = 1L;

  SafetensorsException(String message) {
    super(message);
  }

  SafetensorsException(String message, Throwable cause) {
    super(message, cause);
  }
}
