package io.peft4j.generate;

/** Text to token numbers and back. */
public interface Codec {

  /** {@return the tokens of {@code text}, with those a model wants around a prompt} */
  int[] encode(String text);

  /** {@return the text of {@code tokens}, special tokens left out} */
  String decode(int[] tokens);

  /**
   * {@return the text of {@code tokens} with their special tokens, in which stop strings are looked
   * for}
   */
  default String decodeWithSpecialTokens(int[] tokens) {
    return decode(tokens);
  }
}
