package io.peft4j.cli;

import io.peft4j.data.DataException;
import io.peft4j.data.Example;
import io.peft4j.data.Task;
import io.peft4j.data.TextDataset;
import io.peft4j.model.Model;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;

/** Compares a classifier's answers with the labels that some rows of the input have. */
final class LabelCheck {

  private final Path input;
  private final Model model;
  private final List<Example> labelled = new ArrayList<>();
  private final List<float[]> logits = new ArrayList<>();
  private int rows;

  LabelCheck(Path input, Model model) {
    this.input = input;
    this.model = model;
  }

  void add(Example row, float[] answer) {
    rows++;
    String label = row.label();
    // no class at all is an answer where there may be several
    if (label != null && (!label.isEmpty() || model.task() == Task.MULTI_LABEL)) {
      labelled.add(row);
      logits.add(answer);
    }
  }

  /**
   * {@return the metrics of the rows with labels in a line, or why there are none; empty where no
   * row has a label}
   */
  Optional<String> report() {
    if (labelled.isEmpty()) {
      return Optional.empty();
    }
    TextDataset data;
    try {
      data = TextDataset.of(input.toString(), labelled, model.task(), model.labels());
    } catch (DataException e) {
      return Optional.of("the labels are not those of the model: " + e.getMessage());
    }
    float[][] targets = new float[data.size()][];
    for (int i = 0; i < targets.length; i++) {
      targets[i] = data.target(i);
    }
    Map<String, Double> metrics = model.head().metrics(logits.toArray(float[][]::new), targets);
    String values =
        metrics.entrySet().stream()
            .map(e -> String.format(Locale.ROOT, "%s %.4f", e.getKey(), e.getValue()))
            .collect(Collectors.joining(", "));
    return Optional.of(
        String.format(
            Locale.ROOT, "%s, on the %d labels of %d rows", values, labelled.size(), rows));
  }
}
