package io.peft4j.text;

import java.util.Collection;

/**
 * One text, or pair of texts, as a tokenizer cut it, special tokens included and without padding.
 * Arrays are not copied.
 *
 * @param ids token numbers
 * @param types segment numbers, as long as {@code ids}: 1 for the second text of a pair where the
 *     tokenizer says so, else 0
 * @param truncated whether text was cut off for length
 */
public record Tokens(int[] ids, int[] types, boolean truncated) {

  public int length() {
    return ids.length;
  }

  /** {@return how many of {@code all} lost text to the limit on length} */
  public static int countTruncated(Collection<Tokens> all) {
    return (int) all.stream().filter(Tokens::truncated).count();
  }
}
