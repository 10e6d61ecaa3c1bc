package io.peft4j.text;

import java.util.List;

/**
 * How long a text may be, so that the native library comes to an end with it.
 *
 * @param characters of a text
 * @param blanks in a row
 */
record TextLimits(int characters, int blanks) {

  private static final int CHARACTERS = 4_000_000;
  private static final int BLANKS = 1_000_000;

  /**
   * @param growth by what normalizing may make a text longer
   * @param lattice whether the model keeps every way to cut a word
   */
  static TextLimits of(List<TokenizerPattern> patterns, double growth, boolean lattice) {
    int retries = patterns.stream().mapToInt(TokenizerPattern::retries).max().orElse(0);
    // steps grow with the text's length to the power of these, and one more for each place to begin
    double length =
        retries == 0 ? (lattice ? CHARACTERS / 4 : CHARACTERS) : retries == 1 ? 20_000 : 1_000;
    return new TextLimits((int) Math.max(1, length / growth), (int) Math.max(1, BLANKS / growth));
  }

  /**
   * @throws IllegalArgumentException if {@code text} is longer
   */
  void check(String text) {
    if (text.length() > characters) {
      throw new IllegalArgumentException(
          "expected a text of at most "
              + characters
              + " characters with this tokenizer, found "
              + text.length()
              + ": split it");
    }
    int run = 0;
    for (int i = 0; i < text.length() && text.length() > blanks; i++) {
      char c = text.charAt(i);
      run = Character.isWhitespace(c) || Character.isSpaceChar(c) ? run + 1 : 0;
      if (run > blanks) {
        throw new IllegalArgumentException(
            "expected at most " + blanks + " blanks in a row with this tokenizer, found more");
      }
    }
  }
}
