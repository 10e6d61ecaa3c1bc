package io.peft4j.model.batch;

/**
 * The tokens of one example, without padding. Arrays are not copied.
 *
 * @param ids token numbers
 * @param types segment numbers (0, or 1 for the second text of a pair)
 * @param positions where each token stands, as the model counts
 * @param visible whether others may attend to the token; false only for a padding token in first
 *     place, whose own output a classifier reads
 * @param labels what a head should say of each token, or in its place, as the head takes it ({@link
 *     Reading}); {@link #IGNORED} where nothing. Null where labels are not the tokens'
 */
public record TokenSequence(
    int[] ids, int[] types, int[] positions, boolean[] visible, int[] labels) {

  /** In {@link #labels}: nothing to predict here. */
  public static final int IGNORED = -100;

  /** A sequence whose tokens have no labels. */
  public TokenSequence(int[] ids, int[] types, int[] positions, boolean[] visible) {
    this(ids, types, positions, visible, null);
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

  /** {@return the same tokens, with {@code labels}} */
  public TokenSequence withLabels(int[] labels) {
    return new TokenSequence(ids, types, positions, visible, labels);
  }

  public int length() {
    return ids.length;
  }
}
