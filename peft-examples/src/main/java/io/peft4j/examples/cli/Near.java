package io.peft4j.examples.cli;

import java.util.Collection;
import java.util.Comparator;
import java.util.List;

/** Finds what may have been meant by a name that there is not. */
final class Near {

  private static final int MOST = 3;

  private Near() {}

  /** {@return the few of {@code names} that are at most a third of their letters off} */
  static List<String> of(String wanted, Collection<String> names) {
    return names.stream()
        .filter(name -> edits(wanted, name) <= Math.max(wanted.length(), name.length()) / 3)
        .sorted(Comparator.comparingInt(name -> edits(wanted, name)))
        .limit(MOST)
        .toList();
  }

  /** Levenshtein, 1966. */
  private static int edits(String a, String b) {
    int[] row = new int[b.length() + 1];
    for (int j = 0; j <= b.length(); j++) {
      row[j] = j;
    }
    for (int i = 1; i <= a.length(); i++) {
      int diagonal = row[0];
      row[0] = i;
      for (int j = 1; j <= b.length(); j++) {
        int replaced = diagonal + (a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1);
        diagonal = row[j];
        row[j] = Math.min(replaced, 1 + Math.min(row[j], row[j - 1]));
      }
    }
    return row[b.length()];
  }
}
