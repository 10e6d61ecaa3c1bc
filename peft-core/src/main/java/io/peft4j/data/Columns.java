package io.peft4j.data;

import java.nio.file.Path;
import java.util.Collection;
import java.util.List;

/** Which columns of a file hold what; pair and label may be null. */
record Columns(String text, String textPair, String label) {
  private static final List<String> TEXT = List.of("text", "sentence", "sentence1");
  private static final List<String> TEXT_PAIR = List.of("text_pair", "sentence2");
  private static final List<String> LABEL = List.of("label", "labels");

  /**
   * @throws DataException if a column that is named, or needed, is not among {@code available}
   */
  static Columns choose(TextFormat format, Collection<String> available, Path file, int line) {
    String text = choose(format.textColumn(), TEXT, true, "text", available, file, line);
    String pair = choose(format.textPairColumn(), TEXT_PAIR, false, "pair", available, file, line);
    String label =
        choose(format.labelColumn(), LABEL, format.labelled(), "label", available, file, line);
    return new Columns(text, pair, label);
  }

  private static String choose(
      String named,
      List<String> usual,
      boolean needed,
      String role,
      Collection<String> available,
      Path file,
      int line) {
    if (named != null) {
      if (available.contains(named)) {
        return named;
      }
      throw new DataException(
          file, line, "no column '" + named + "'; the columns are " + available);
    }
    for (String candidate : usual) {
      for (String column : available) {
        if (column.equalsIgnoreCase(candidate)) {
          return column;
        }
      }
    }
    if (needed) {
      throw new DataException(
          file,
          line,
          "no "
              + role
              + " column (looked for "
              + String.join(", ", usual)
              + "); the columns are "
              + available
              + ". Name the "
              + role
              + " column, or give the columns if the file has no header");
    }
    return null;
  }
}
