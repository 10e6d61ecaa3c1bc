package io.peft4j.data;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * Examples with checked targets for one {@link Task}. Immutable.
 *
 * <p>Labels are read so: single-label, a name or an integer; multi-label, a JSON array of those, or
 * names separated by {@code |} or, where there is none, by commas, an empty label meaning no class;
 * regression, a finite number, or a JSON array with as many of them in every row.
 *
 * <p>Multi-label rows that are all as long, two or more, and hold numbers from 0 to 1 only, say of
 * each class in its place whether it applies, as transformers' multi-hot rows do.
 */
public final class TextDataset {
  private static final Pattern BAR = Pattern.compile("\\|");
  private static final Pattern COMMA = Pattern.compile(",");

  private final String source;
  private final Task task;
  private final LabelNames labelNames;
  private final List<Example> examples;
  private final float[][] targets;
  private final boolean byPlace;

  /**
   * @param byPlace whether labels are numbers in the places of the classes, rather than names
   */
  private TextDataset(
      String source,
      Task task,
      LabelNames names,
      List<Example> examples,
      float[][] targets,
      boolean byPlace) {
    this.source = source;
    this.task = task;
    this.labelNames = names;
    this.examples = examples;
    this.targets = targets;
    this.byPlace = byPlace;
  }

  /**
   * Reads a file and collects the label names from it; see {@link #of(String, List, Task)}.
   *
   * @throws DataException if the content is not as {@code format} and {@code task} say
   * @throws IOException if the file cannot be read
   */
  public static TextDataset read(Path file, TextFormat format, Task task) throws IOException {
    return of(file.toString(), TextReader.read(file, format), task);
  }

  /**
   * Reads a file whose labels must be among {@code names}; see {@link #of(String, List, Task,
   * LabelNames)}.
   *
   * @throws DataException if the content is not as {@code format} and {@code task} say
   * @throws IOException if the file cannot be read
   */
  public static TextDataset read(Path file, TextFormat format, Task task, LabelNames names)
      throws IOException {
    return of(file.toString(), TextReader.read(file, format), task, names);
  }

  /**
   * A dataset whose label names are those that occur, sorted (integers by value), so that ids do
   * not depend on the order of the rows. Numbers by place have no names of their own and get
   * {@linkplain LabelNames#generic transformers'}.
   *
   * @param source what messages call the origin, e.g. the file
   * @throws DataException if a label is missing or malformed
   */
  public static TextDataset of(String source, List<Example> examples, Task task) {
    List<List<String>> labels = labels(source, examples, task);
    float[][] numbers = numbers(source, examples, task, labels, 0);
    if (numbers != null) {
      LabelNames places = LabelNames.generic(numbers.length == 0 ? 0 : numbers[0].length);
      return new TextDataset(source, task, places, List.copyOf(examples), numbers, true);
    }
    return named(
        source,
        examples,
        task,
        labels,
        LabelNames.collect(labels.stream().flatMap(List::stream).toList()));
  }

  /**
   * A dataset whose labels must be among {@code names}, e.g. those of the training data or of a
   * model. For regression there must be as many of them as numbers in a row.
   *
   * @param source what messages call the origin, e.g. the file
   * @throws DataException if a label is missing, malformed or not among {@code names}
   */
  public static TextDataset of(String source, List<Example> examples, Task task, LabelNames names) {
    List<List<String>> labels = labels(source, examples, task);
    float[][] numbers =
        names.anyInteger() && task != Task.REGRESSION
            ? null
            : numbers(source, examples, task, labels, names.size());
    return numbers == null
        ? named(source, examples, task, labels, names)
        : placed(source, examples, task, numbers, names);
  }

  /**
   * A dataset whose labels are read as those of {@code other}, and must be among its names:
   * held-out texts for the ones to train on.
   *
   * @throws DataException if a label is missing, malformed or not among the names
   */
  public static TextDataset like(TextDataset other, String source, List<Example> examples) {
    List<List<String>> labels = labels(source, examples, other.task);
    if (!other.byPlace) {
      return named(source, examples, other.task, labels, other.labelNames);
    }
    float[][] numbers = numbers(source, examples, other.task, labels, other.labelNames.size());
    if (numbers == null) {
      throw new DataException(
          source,
          0,
          "expected rows of "
              + other.labelNames.size()
              + " numbers from 0 to 1, as in "
              + other.source
              + "; found others");
    }
    return placed(source, examples, other.task, numbers, other.labelNames);
  }

  /**
   * This dataset with the classes of {@code names} instead of its own: each label is looked up by
   * its name there, so that a model's ids need not be the data's. Numbers by place stay where they
   * are.
   *
   * @throws DataException if a label is not among {@code names}, or a row has not as many numbers
   */
  public TextDataset withLabels(LabelNames names) {
    if (names.equals(labelNames)) {
      return this;
    }
    return byPlace
        ? placed(source, examples, task, targets, names)
        : named(source, examples, task, labels(source, examples, task), names);
  }

  private static float[][] numbers(
      String source, List<Example> examples, Task task, List<List<String>> labels, int width) {
    return switch (task) {
      case SINGLE_LABEL -> null;
      case MULTI_LABEL -> NumberRows.multiHot(labels, width);
      case REGRESSION -> NumberRows.values(source, examples);
    };
  }

  private static TextDataset placed(
      String source, List<Example> examples, Task task, float[][] rows, LabelNames names) {
    for (int i = 0; i < rows.length; i++) {
      if (rows[i].length != names.size()) {
        throw new DataException(
            source,
            examples.get(i).line(),
            "expected a number for each of " + names + ", found " + rows[i].length);
      }
    }
    return new TextDataset(source, task, names, List.copyOf(examples), rows, true);
  }

  private static TextDataset named(
      String source,
      List<Example> examples,
      Task task,
      List<List<String>> labels,
      LabelNames names) {
    float[][] targets = new float[examples.size()][];
    for (int i = 0; i < targets.length; i++) {
      targets[i] = target(source, examples.get(i), task, labels.get(i), names);
    }
    return new TextDataset(source, task, names, List.copyOf(examples), targets, false);
  }

  private static float[] target(
      String source, Example example, Task task, List<String> labels, LabelNames names) {
    int[] ids = labels.stream().mapToInt(label -> id(source, example, label, names)).toArray();
    if (task == Task.SINGLE_LABEL) {
      return new float[] {ids[0]};
    }
    float[] hot = new float[names.size()];
    for (int i = 0; i < ids.length; i++) {
      Float number = NumberRows.number(labels.get(i));
      if (number != null && (hot[ids[i]] == 1 || number != Math.rint(number))) {
        throw new DataException(
            source,
            example.line(),
            "expected names of labels, or in every row a number from 0 to 1 for each class; found "
                + example.label());
      }
      hot[ids[i]] = 1;
    }
    return hot;
  }

  private static List<List<String>> labels(String source, List<Example> examples, Task task) {
    return examples.stream().map(example -> labels(source, example, task)).toList();
  }

  private static List<String> labels(String source, Example example, Task task) {
    String raw = example.label();
    if (raw == null || (raw.isEmpty() && task != Task.MULTI_LABEL)) {
      throw new DataException(source, example.line(), "no label");
    }
    if (task == Task.MULTI_LABEL) {
      if (raw.startsWith("[")) {
        return jsonLabels(source, example);
      }
      Pattern separator = raw.indexOf('|') >= 0 ? BAR : COMMA;
      return Stream.of(separator.split(raw)).map(String::strip).filter(s -> !s.isEmpty()).toList();
    }
    if (task == Task.SINGLE_LABEL && raw.startsWith("[") && raw.endsWith("]")) {
      throw new DataException(source, example.line(), "expected one label, found the array " + raw);
    }
    return List.of(raw);
  }

  private static List<String> jsonLabels(String source, Example example) {
    List<String> labels = new ArrayList<>();
    for (JsonNode label : NumberRows.array(source, example)) {
      if (!label.isValueNode() || label.isNull() || label.asText().isBlank()) {
        throw new DataException(
            source, example.line(), "expected an array of names, found " + example.label());
      }
      labels.add(label.isBoolean() ? (label.asBoolean() ? "1" : "0") : label.asText().strip());
    }
    return labels;
  }

  private static int id(String source, Example example, String label, LabelNames names) {
    return names
        .id(label)
        .orElseThrow(
            () ->
                new DataException(
                    source,
                    example.line(),
                    "unknown label '" + label + "'; the labels are " + names));
  }

  /** What messages call the origin, e.g. the file. */
  public String source() {
    return source;
  }

  /** What the labels say. */
  public Task task() {
    return task;
  }

  /** The names of the classes, or of the numbers of a regression. */
  public LabelNames labelNames() {
    return labelNames;
  }

  /** The number of examples. */
  public int size() {
    return examples.size();
  }

  /** Example {@code index}, from 0. */
  public Example example(int index) {
    return examples.get(index);
  }

  /** All examples, in order. */
  public List<Example> examples() {
    return examples;
  }

  /**
   * The class of a single-label example.
   *
   * @throws IllegalStateException if the task is another
   */
  public int labelId(int index) {
    if (task != Task.SINGLE_LABEL) {
      throw new IllegalStateException("a label id was asked of a " + task + " dataset");
    }
    return (int) targets[index][0];
  }

  /**
   * The target of an example as a loss takes it: single-label [1], the class id; multi-label
   * [classes], 1 where the class applies; regression [numbers].
   */
  public float[] target(int index) {
    return targets[index].clone();
  }

  /** The examples at {@code indices}, in that order, with the same label names. */
  public TextDataset subset(int[] indices) {
    List<Example> chosen = Arrays.stream(indices).mapToObj(examples::get).toList();
    float[][] chosenTargets =
        Arrays.stream(indices).mapToObj(i -> targets[i]).toArray(float[][]::new);
    return new TextDataset(source, task, labelNames, chosen, chosenTargets, byPlace);
  }
}
