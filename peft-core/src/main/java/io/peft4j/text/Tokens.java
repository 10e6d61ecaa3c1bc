package io.peft4j.text;

import io.peft4j.data.Truncation;
import java.util.Collection;

/**
 * One text, or pair of texts, as a tokenizer cut it, special tokens included and without padding.
 * Arrays are not copied.
 *
 * @param ids token numbers
 * @param types segment numbers, as long as {@code ids}: 1 for the second text of a pair where the
 *     tokenizer says so, else 0
 * @param cut how many tokens were cut off for length
 */
public record Tokens(int[] ids, int[] types, int cut) {

  public int length() {
    return ids.length;
  }

  /** {@return whether text was cut off for length} */
  public boolean truncated() {
    return cut > 0;
  }

  /** {@return what the limit on length cost} */
  public static Truncation truncation(Collection<Tokens> all) {
    long lost = all.stream().mapToLong(Tokens::cut).sum();
    long kept = all.stream().mapToLong(Tokens::length).sum();
    return new Truncation(countTruncated(all), lost, all.size(), kept + lost, 0);
  }

  /** {@return how many of {@code all} lost text to the limit on length} */
  public static int countTruncated(Collection<Tokens> all) {
    return (int) all.stream().filter(Tokens::truncated).count();
  }
}
