package io.peft4j.model;

/**
 * The tokens of one example, without padding. Arrays are not copied.
 *
 * @param ids token numbers
 * @param types segment numbers (0, or 1 for the second text of a pair)
 * @param positions where each token stands, as the model counts
 * @param visible whether others may attend to the token; false only for a padding token in first
 *     place, whose own output a classifier reads
 */
public record TokenSequence(int[] ids, int[] types, int[] positions, boolean[] visible) {

  public int length() {
    return ids.length;
  }
}
