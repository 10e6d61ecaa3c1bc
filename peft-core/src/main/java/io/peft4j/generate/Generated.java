package io.peft4j.generate;

/**
 * What was added to one prompt.
 *
 * @param tokens with the end token or the stop string's, where one of them ended it
 * @param text without either; null where no codec was given
 * @param finish why it ended
 */
public record Generated(int[] tokens, String text, Finish finish) {

  /** Why a sequence ended. */
  public enum Finish {
    /** It has as many new tokens as were allowed. */
    LENGTH,
    /** The model takes no more tokens. */
    CONTEXT,
    /** An end token came. */
    END_TOKEN,
    /** A stop string came. */
    STOP_STRING,
    /** {@code max_time} was over. */
    TIME
  }
}
