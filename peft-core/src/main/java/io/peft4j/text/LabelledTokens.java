package io.peft4j.text;

import io.peft4j.model.batch.TokenSequence;
import java.util.Arrays;

/**
 * An example as a language model learns it. Arrays are not copied.
 *
 * @param ids token numbers
 * @param labels as long: what to predict in each place, {@link TokenSequence#IGNORED} for nothing
 */
public record LabelledTokens(int[] ids, int[] labels) {

  public int length() {
    return ids.length;
  }

  /** {@return whether there is anything to predict; the first token never is} */
  public boolean hasLabels() {
    return Arrays.stream(labels).skip(1).anyMatch(label -> label != TokenSequence.IGNORED);
  }

  LabelledTokens part(int from, int to) {
    return new LabelledTokens(
        Arrays.copyOfRange(ids, from, to), Arrays.copyOfRange(labels, from, to));
  }
}
