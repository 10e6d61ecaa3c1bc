package io.peft4j.io;

import java.util.Collection;
import java.util.Comparator;
import java.util.List;

/** Which words come near to one that is not there. */
public final class Spelling {

  private Spelling() {}

  /**
   * {@return the few of {@code words} that may have been meant by {@code wanted}: at most a third
   * of the letters off, the nearest first; none where nothing is near}
   */
  public static List<String> meant(String wanted, Collection<String> words) {
    List<String> near =
        words.stream()
            .filter(word -> distance(wanted, word) <= Math.max(wanted.length(), word.length()) / 3)
            .toList();
    return nearest(wanted, near, 3);
  }

  /**
   * {@return those of {@code words} that are spelled most like {@code wanted}, however far off, the
   * nearest first}
   */
  public static List<String> nearest(String wanted, Collection<String> words, int limit) {
    return words.stream()
        .distinct()
        .sorted(
            Comparator.comparingInt((String word) -> distance(wanted, word))
                .thenComparing(Comparator.naturalOrder()))
        .limit(limit)
        .toList();
  }

  /** {@return the edits between two words (Levenshtein, 1966)} */
  public static int distance(String a, String b) {
    int[] row = new int[b.length() + 1];
    for (int j = 0; j <= b.length(); j++) {
      row[j] = j;
    }
    for (int i = 1; i <= a.length(); i++) {
      int diagonal = row[0];
      row[0] = i;
      for (int j = 1; j <= b.length(); j++) {
        int substituted = diagonal + (a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1);
        diagonal = row[j];
        row[j] = Math.min(substituted, 1 + Math.min(row[j], row[j - 1]));
      }
    }
    return row[b.length()];
  }
}
