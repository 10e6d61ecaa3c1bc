package io.peft4j.model.batch;

/**
 * The tokens of one example, without padding. Arrays are not copied.
 *
 * @param ids token numbers
 * @param types segment numbers (0, or 1 for the second text of a pair)
 * @param positions where each token stands, as the model counts
 * @param visible whether others may attend to the token; false only for a padding token in first
 *     place, whose own output a classifier reads
 * @param read number of the token whose state a classifier reads
 * @param labels for a language model: what to predict in each token's place from the tokens before
 *     it, {@link #IGNORED} where nothing; null for classifiers
 */
public record TokenSequence(
    int[] ids, int[] types, int[] positions, boolean[] visible, int read, int[] labels) {

  /** In {@link #labels}: nothing to predict here. */
  public static final int IGNORED = -100;

  /** A sequence of which a classifier reads the first token. */
  public TokenSequence(int[] ids, int[] types, int[] positions, boolean[] visible) {
    this(ids, types, positions, visible, 0, null);
  }

  /**
   * @throws IllegalArgumentException if labels and ids differ in number
   */
  public TokenSequence {
    if (labels != null && labels.length != ids.length) {
      throw new IllegalArgumentException(
          "expected a label for each of " + ids.length + " tokens, found " + labels.length);
    }
  }

  /** {@return the same tokens, with {@code labels} to predict} */
  public TokenSequence withLabels(int[] labels) {
    return new TokenSequence(ids, types, positions, visible, read, labels);
  }

  public int length() {
    return ids.length;
  }

  /** {@return how many labels there are to predict; the first token is never predicted} */
  public int labelCount() {
    int count = 0;
    for (int t = 1; labels != null && t < labels.length; t++) {
      count += labels[t] == IGNORED ? 0 : 1;
    }
    return count;
  }
}
