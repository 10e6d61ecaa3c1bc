package io.peft4j.train;

/** A run that cannot go on, such as one whose loss is no number. */
public final class TrainingException extends RuntimeException {

  private static final long serialVersionUID = 1L;

  TrainingException(String message) {
    super(message);
  }
}
