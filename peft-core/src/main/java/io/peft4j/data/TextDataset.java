package io.peft4j.data;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import io.peft4j.io.JsonErrors;
import java.io.IOException;
import java.math.BigDecimal;
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
 * regression, a finite number.
 */
public final class TextDataset {
  private static final JsonMapper JSON = new JsonMapper();
  private static final Pattern BAR = Pattern.compile("\\|");
  private static final Pattern COMMA = Pattern.compile(",");

  private final String source;
  private final Task task;
  private final LabelNames labelNames;
  private final List<Example> examples;
  private final float[][] targets;

  private TextDataset(
      String source, Task task, LabelNames names, List<Example> examples, float[][] targets) {
    this.source = source;
    this.task = task;
    this.labelNames = names;
    this.examples = examples;
    this.targets = targets;
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
   * not depend on the order of the rows. Regression has no names.
   *
   * @param source what messages call the origin, e.g. the file
   * @throws DataException if a label is missing or malformed
   */
  public static TextDataset of(String source, List<Example> examples, Task task) {
    List<String> labels = new ArrayList<>();
    if (task != Task.REGRESSION) {
      for (Example example : examples) {
        labels.addAll(labels(source, example, task));
      }
    }
    return of(source, examples, task, LabelNames.collect(labels));
  }

  /**
   * A dataset whose labels must be among {@code names}, e.g. those of the training data or of a
   * model; ignored for regression.
   *
   * @param source what messages call the origin, e.g. the file
   * @throws DataException if a label is missing, malformed or not among {@code names}
   */
  public static TextDataset of(String source, List<Example> examples, Task task, LabelNames names) {
    LabelNames used = task == Task.REGRESSION ? LabelNames.of(List.of()) : names;
    float[][] targets = new float[examples.size()][];
    for (int i = 0; i < targets.length; i++) {
      targets[i] = target(source, examples.get(i), task, used);
    }
    return new TextDataset(source, task, used, List.copyOf(examples), targets);
  }

  private static float[] target(String source, Example example, Task task, LabelNames names) {
    List<String> labels = labels(source, example, task);
    if (task == Task.REGRESSION) {
      return new float[] {number(source, example, labels.get(0))};
    }
    int[] ids = labels.stream().mapToInt(label -> id(source, example, label, names)).toArray();
    if (task == Task.SINGLE_LABEL) {
      return new float[] {ids[0]};
    }
    float[] hot = new float[names.size()];
    for (int id : ids) {
      hot[id] = 1;
    }
    return hot;
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
    if (raw.startsWith("[") && raw.endsWith("]")) {
      throw new DataException(source, example.line(), "expected one label, found the array " + raw);
    }
    return List.of(raw);
  }

  private static List<String> jsonLabels(String source, Example example) {
    JsonNode array;
    try {
      array = JSON.readTree(example.label());
    } catch (JsonProcessingException e) {
      throw new DataException(
          source,
          example.line(),
          "label " + example.label() + " is no JSON array: " + JsonErrors.sentence(e));
    }
    List<String> labels = new ArrayList<>();
    for (JsonNode label : array) {
      if (!label.isValueNode() || label.isNull() || label.asText().isBlank()) {
        throw new DataException(
            source, example.line(), "expected an array of names, found " + example.label());
      }
      labels.add(label.asText().strip());
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

  private static float number(String source, Example example, String label) {
    float value;
    try {
      value = new BigDecimal(label).floatValue(); // parseFloat would take 1f, 0x1p3 and NaN
    } catch (NumberFormatException e) {
      value = Float.NaN;
    }
    if (!Float.isFinite(value)) {
      throw new DataException(
          source, example.line(), "label '" + label + "' is not a finite number");
    }
    return value;
  }

  /** What messages call the origin, e.g. the file. */
  public String source() {
    return source;
  }

  /** What the labels say. */
  public Task task() {
    return task;
  }

  /** The names of the classes; none for regression. */
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
   * [classes], 1 where the class applies; regression [1], the number.
   */
  public float[] target(int index) {
    return targets[index].clone();
  }

  /** The examples at {@code indices}, in that order, with the same label names. */
  public TextDataset subset(int[] indices) {
    List<Example> chosen = Arrays.stream(indices).mapToObj(examples::get).toList();
    float[][] chosenTargets =
        Arrays.stream(indices).mapToObj(i -> targets[i]).toArray(float[][]::new);
    return new TextDataset(source, task, labelNames, chosen, chosenTargets);
  }
}
