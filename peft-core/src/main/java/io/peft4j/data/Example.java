package io.peft4j.data;

import java.util.Objects;

/**
 * One row of a data file, not yet interpreted.
 *
 * @param text the text, as in the file (not trimmed)
 * @param textPair the second text of a pair, or null
 * @param label the label as written, trimmed; a JSON array keeps its JSON form; null if there is
 *     none
 * @param line the physical line, from 1, on which the row starts
 */
public record Example(String text, String textPair, String label, int line) {
  public Example {
    Objects.requireNonNull(text, "text");
  }
}
