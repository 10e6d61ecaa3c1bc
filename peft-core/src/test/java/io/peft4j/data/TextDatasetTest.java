package io.peft4j.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class TextDatasetTest {
  private static List<Example> rows(String... labels) {
    return IntStream.range(0, labels.length)
        .mapToObj(i -> new Example("text " + i, null, labels[i], i + 2))
        .toList();
  }

  private static void assertFails(String message, Task task, LabelNames names, String... labels) {
    DataException e =
        assertThrows(
            DataException.class,
            () ->
                System.out.println(
                    names == null
                        ? TextDataset.of("f.csv", rows(labels), task)
                        : TextDataset.of("f.csv", rows(labels), task, names)));
    assertEquals(message, e.getMessage());
  }

  @Test
  void namesAreSortedAndIntegersByValue() {
    TextDataset words = TextDataset.of("f", rows("pos", "neg", "pos"), Task.SINGLE_LABEL);
    assertEquals(List.of("neg", "pos"), words.labelNames().names());
    assertEquals(1, words.labelId(0));
    TextDataset numbers = TextDataset.of("f", rows("10", "9", "-1"), Task.SINGLE_LABEL);
    assertEquals(List.of("-1", "9", "10"), numbers.labelNames().names());
    assertArrayEquals(new float[] {2}, numbers.target(0));
  }

  @Test
  void configMapsGoBothWays() {
    LabelNames names = LabelNames.of(List.of("NEGATIVE", "POSITIVE"));
    assertEquals(Map.of(0, "NEGATIVE", 1, "POSITIVE"), names.id2label());
    assertEquals(Map.of("NEGATIVE", 0, "POSITIVE", 1), names.label2id());
    assertEquals(names, LabelNames.ofId2label(names.id2label()));
    assertThrows(IllegalArgumentException.class, () -> LabelNames.ofId2label(Map.of(1, "a")));
    assertThrows(IllegalArgumentException.class, () -> LabelNames.of(List.of("a", "a")));
  }

  @Test
  void integersAreIdsOfNamesThatAreNoIntegers() {
    LabelNames words = LabelNames.of(List.of("NEGATIVE", "POSITIVE"));
    assertEquals(1, TextDataset.of("f", rows("1"), Task.SINGLE_LABEL, words).labelId(0));
    assertFails(
        "f.csv:2: unknown label '2'; the labels are [NEGATIVE, POSITIVE]",
        Task.SINGLE_LABEL,
        words,
        "2");
    assertFails(
        "f.csv:3: unknown label '0'; the labels are [1, 2]",
        Task.SINGLE_LABEL,
        LabelNames.of(List.of("1", "2")),
        "2",
        "0");
  }

  @Test
  void multiLabelTakesArraysBarsAndCommas() {
    TextDataset data =
        TextDataset.of("f", rows("[\"b\",\"a\"]", "c|a", "b, c", "", "[]"), Task.MULTI_LABEL);
    assertEquals(List.of("a", "b", "c"), data.labelNames().names());
    assertArrayEquals(new float[] {1, 1, 0}, data.target(0));
    assertArrayEquals(new float[] {1, 0, 1}, data.target(1));
    assertArrayEquals(new float[] {0, 1, 1}, data.target(2));
    assertArrayEquals(new float[3], data.target(3));
    assertArrayEquals(new float[3], data.target(4));
    assertThrows(IllegalStateException.class, () -> data.labelId(0));
    assertFails(
        "f.csv:2: expected an array of names, found [[1]]", Task.MULTI_LABEL, null, "[[1]]");
  }

  @Test
  void regressionTakesFiniteNumbers() {
    TextDataset data = TextDataset.of("f", rows("-1.5", "2e1"), Task.REGRESSION);
    assertArrayEquals(new float[] {-1.5f}, data.target(0));
    assertArrayEquals(new float[] {20}, data.target(1));
    assertEquals(List.of("LABEL_0"), data.labelNames().names());
    for (String bad : List.of("NaN", "1e99", "high", "1f")) {
      assertFails(
          "f.csv:2: label '" + bad + "' is not a finite number", Task.REGRESSION, null, bad);
    }
  }

  @Test
  void regressionTakesSeveralNumbersARow() {
    TextDataset data = TextDataset.of("f", rows("[1, -2.5]", "[0.5, 3e1]"), Task.REGRESSION);
    assertArrayEquals(new float[] {1, -2.5f}, data.target(0));
    assertArrayEquals(new float[] {0.5f, 30}, data.target(1));
    assertEquals(LabelNames.generic(2), data.labelNames());
    LabelNames named = LabelNames.of(List.of("valence", "arousal"));
    assertArrayEquals(data.target(1), data.withLabels(named).target(1));
    assertFails(
        "f.csv:3: expected as many numbers as in the first row, 2, found 1",
        Task.REGRESSION,
        null,
        "[1, 2]",
        "3");
    assertFails("f.csv:2: label 'NaN' is not a finite number", Task.REGRESSION, null, "[\"NaN\"]");
    assertFails(
        "f.csv:2: expected a number for each of [valence, arousal], found 1",
        Task.REGRESSION,
        named,
        "1");
  }

  @Test
  void rowsOfZeroAndOneSayWhichClassesApply() {
    for (String[] labels :
        List.of(
            new String[] {"[0, 1, 1]", "[1, 0, 0]"},
            new String[] {"[0.0,1.0,1.0]", "[1.0,0.0,0.0]"},
            new String[] {"[false,true,true]", "[true,false,false]"},
            new String[] {"0|1|1", "1|0|0"},
            new String[] {"0, 1, 1", "1, 0, 0"})) {
      TextDataset data = TextDataset.of("f", rows(labels), Task.MULTI_LABEL);
      assertEquals(LabelNames.generic(3), data.labelNames());
      assertArrayEquals(new float[] {0, 1, 1}, data.target(0));
      assertArrayEquals(new float[] {1, 0, 0}, data.target(1));
      LabelNames names = LabelNames.of(List.of("toxic", "spam", "rude"));
      TextDataset named = TextDataset.of("f", rows(labels), Task.MULTI_LABEL, names);
      assertArrayEquals(new float[] {0, 1, 1}, named.target(0));
      assertArrayEquals(new float[] {0, 1, 1}, data.withLabels(names).target(0));
      assertArrayEquals(
          new float[] {1, 1, 0}, TextDataset.like(data, "g", rows("[1, 1, 0]")).target(0));
      assertThrows(
          DataException.class, () -> TextDataset.like(data, "g", rows("[1, 0]", "[0, 2]")));
    }
    assertArrayEquals(
        new float[] {0.25f, 1},
        TextDataset.of("f", rows("[0.25, 1]", "[0, 0]"), Task.MULTI_LABEL).target(0));
    // arrays that differ in length are ids, as before
    TextDataset ids = TextDataset.of("f", rows("[0, 2]", "[1]"), Task.MULTI_LABEL);
    assertEquals(List.of("0", "1", "2"), ids.labelNames().names());
    assertArrayEquals(new float[] {1, 0, 1}, ids.target(0));
    assertArrayEquals(new float[] {1, 1, 0}, TextDataset.like(ids, "g", rows("[0, 1]")).target(0));
    for (String[] neither : List.of(new String[] {"[1,1,0]", "[1]"}, new String[] {"[2.5,1]"})) {
      assertFails(
          "f.csv:2: expected names of labels, or in every row a number from 0 to 1 for each class;"
              + " found "
              + neither[0],
          Task.MULTI_LABEL,
          null,
          neither);
    }
  }

  @Test
  void labelsFollowTheirNamesToOtherIds() {
    TextDataset data = TextDataset.of("f", rows("pos", "neg"), Task.SINGLE_LABEL);
    LabelNames other = LabelNames.of(List.of("POS", "NEUTRAL", "NEG"));
    assertEquals(0, data.withLabels(other).labelId(0));
    assertEquals(2, data.withLabels(other).labelId(1));
    assertThrows(
        DataException.class, () -> data.withLabels(LabelNames.of(List.of("positive", "negative"))));
    // two names that only differ in case have to be met exactly
    LabelNames both = LabelNames.of(List.of("A", "a"));
    assertEquals(1, both.id("a").getAsInt());
    assertTrue(LabelNames.of(List.of("Ab", "aB")).id("ab").isEmpty());
  }

  @Test
  void missingLabelsAreNamed() {
    assertFails("f.csv:3: no label", Task.SINGLE_LABEL, null, "a", "");
    assertFails("f.csv:2: no label", Task.MULTI_LABEL, null, (String) null);
    assertFails("f.csv:2: no label", Task.REGRESSION, null, "");
    assertFails(
        "f.csv:2: expected one label, found the array [\"a\"]", Task.SINGLE_LABEL, null, "[\"a\"]");
  }

  @Test
  void splitKeepsSharesAndLosesNothing() {
    String[] labels = new String[103];
    for (int i = 0; i < labels.length; i++) {
      labels[i] = i < 60 ? "a" : i < 102 ? "b" : "single";
    }
    TextDataset data = TextDataset.of("f", rows(labels), Task.SINGLE_LABEL);
    Splits.Split split = Splits.stratified(data, 0.2, 11);
    assertEquals(21, split.heldOut().size());
    assertEquals(12, count(split.heldOut(), "a"), 1);
    assertEquals(8, count(split.heldOut(), "b"), 1);
    assertEquals(0, count(split.heldOut(), "single"));
    List<Example> all = new ArrayList<>(split.train().examples());
    all.addAll(split.heldOut().examples());
    all.sort((x, y) -> x.line() - y.line());
    assertEquals(data.examples(), all);
    assertEquals(data.labelNames(), split.heldOut().labelNames());
    assertEquals(split.heldOut().examples(), Splits.stratified(data, 0.2, 11).heldOut().examples());
    assertTrue(
        !split.heldOut().examples().equals(Splits.stratified(data, 0.2, 12).heldOut().examples()));
    for (int i = 0; i < split.train().size(); i++) {
      assertEquals(
          split.train().example(i).label(),
          data.labelNames().name(split.train().labelId(i)),
          "targets move with their examples");
    }
  }

  @Test
  void splitOfOtherTasksIsPlain() {
    TextDataset data = TextDataset.of("f", rows("1", "2", "3", "4", "5"), Task.REGRESSION);
    assertEquals(2, Splits.stratified(data, 0.4, 1).heldOut().size());
    for (double fraction : new double[] {0, 0.01, 0.99, 1, -1, Double.NaN}) {
      assertThrows(IllegalArgumentException.class, () -> Splits.stratified(data, fraction, 1));
    }
  }

  private static long count(TextDataset data, String label) {
    return data.examples().stream().filter(e -> e.label().equals(label)).count();
  }
}
