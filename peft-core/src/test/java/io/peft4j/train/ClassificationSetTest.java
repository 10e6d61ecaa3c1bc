package io.peft4j.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import com.fasterxml.jackson.databind.JsonNode;
import io.peft4j.Golden;
import io.peft4j.data.Task;
import io.peft4j.eval.Metrics;
import io.peft4j.model.Model;
import io.peft4j.model.batch.TokenSequence;
import io.peft4j.model.load.LoadOptions;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Losses against transformers', and the metrics of each task. */
class ClassificationSetTest {

  static Stream<String> checkpoints() {
    return Golden.folders("encoders", "").stream()
        .filter(
            name -> Golden.json("encoders/" + name + "/golden.json").at("/cases/0").has("loss"));
  }

  private static ClassificationSet set(Model model, JsonNode test) {
    JsonNode inputs = test.get("inputs");
    List<TokenSequence> sequences = new ArrayList<>();
    JsonNode labels = test.get("labels");
    float[][] targets = new float[labels.size()][];
    for (int i = 0; i < targets.length; i++) {
      JsonNode types = inputs.get("token_type_ids");
      sequences.add(
          model.unpad(
              Golden.ints(inputs.get("input_ids").get(i)),
              types == null ? null : Golden.ints(types.get(i)),
              Golden.ints(inputs.get("attention_mask").get(i))));
      JsonNode label = labels.get(i);
      targets[i] = new float[label.isArray() ? label.size() : 1];
      for (int j = 0; j < targets[i].length; j++) {
        targets[i][j] = (float) (label.isArray() ? label.get(j) : label).asDouble();
      }
    }
    return new ClassificationSet(sequences, targets);
  }

  @ParameterizedTest
  @MethodSource("checkpoints")
  void lossesEqualTransformers(String name) throws IOException {
    JsonNode golden = Golden.json("encoders/" + name + "/golden.json");
    try (Model model = Model.load(Golden.path("encoders/" + name), LoadOptions.DEFAULT)) {
      double worst = 0;
      for (JsonNode test : golden.get("cases")) {
        ClassificationSet set = set(model, test);
        double expected = test.get("loss").asDouble();
        double evaluated = set.evaluate(model, 2).get("loss");
        worst = Math.max(worst, Math.abs(expected - evaluated));
        worst = Math.max(worst, Math.abs(expected - trainingLoss(model, set, test)));
      }
      System.out.printf(
          Locale.ROOT, "%s (%s): largest difference of losses %.1e%n", name, model.task(), worst);
      assertTrue(worst < 1e-5, name + ": " + worst);
    }
  }

  /** The loss as the trainer has it, of the reference's logits. */
  private static double trainingLoss(Model model, ClassificationSet set, JsonNode test) {
    float[][] rows = Golden.matrix(test.get("logits"));
    int[] all = IntStream.range(0, rows.length).toArray();
    try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
      NDArray logits = manager.create(flat(rows));
      logits = logits.reshape(new Shape(rows.length, rows[0].length));
      double sum = set.loss(model, all).of(logits).getFloat();
      return sum / IntStream.of(all).map(set::weight).sum();
    }
  }

  private static float[] flat(float[][] rows) {
    float[] flat = new float[rows.length * rows[0].length];
    for (int i = 0; i < rows.length; i++) {
      System.arraycopy(rows[i], 0, flat, i * rows[0].length, rows[0].length);
    }
    return flat;
  }

  @Test
  void everyTaskIsAmongTheGolden() {
    Set<String> problems = new java.util.TreeSet<>();
    checkpoints()
        .forEach(
            name ->
                problems.add(
                    Golden.json("encoders/" + name + "/golden.json").get("problem_type").asText()));
    for (Task task : Task.values()) {
      assertTrue(problems.contains(task.problemType()), task + " in " + problems);
    }
  }

  private static Map<String, Double> evaluate(String name) throws IOException {
    JsonNode test = Golden.json("encoders/" + name + "/golden.json").at("/cases/1");
    try (Model model = Model.load(Golden.path("encoders/" + name), LoadOptions.DEFAULT)) {
      return set(model, test).evaluate(model, 8);
    }
  }

  @Test
  void metricsOfEachTask() throws IOException {
    assertEquals(Set.of("loss", "accuracy", "f1", "matthews"), evaluate("bert").keySet());
    assertEquals(
        Set.of("loss", "accuracy", "f1", "f1_macro"), evaluate("bert-multilabel").keySet());
    Map<String, Double> regression = evaluate("bert-regression");
    assertEquals(Set.of("loss", "mse", "pearson", "spearman"), regression.keySet());
    assertEquals(regression.get("loss"), regression.get("mse"));
  }

  @Test
  void singleLabelMetricsFollowTheLogits() throws IOException {
    JsonNode test = Golden.json("encoders/bert/golden.json").at("/cases/0");
    int[] reference = Golden.ints(test.get("labels"));
    int[] predicted = new int[reference.length];
    float[][] logits = Golden.matrix(test.get("logits"));
    for (int i = 0; i < predicted.length; i++) {
      for (int j = 1; j < logits[i].length; j++) {
        predicted[i] = logits[i][j] > logits[i][predicted[i]] ? j : predicted[i];
      }
    }
    try (Model model = Model.load(Golden.path("encoders/bert"), LoadOptions.DEFAULT)) {
      Map<String, Double> metrics = set(model, test).evaluate(model, 8);
      assertEquals(Metrics.accuracy(predicted, reference), metrics.get("accuracy"));
      assertEquals(Metrics.f1Macro(predicted, reference), metrics.get("f1"));
      assertEquals(Metrics.matthews(predicted, reference), metrics.get("matthews"));
    }
  }

  @Test
  void logitsKeepTheOrderOfTheExamples() throws IOException {
    try (Model model = Model.load(Golden.path("encoders/bert"), LoadOptions.DEFAULT)) {
      ClassificationSet set = TinyTraining.examples(model, 37, 2);
      float[][] one = set.logits(model, 1);
      float[][] many = set.logits(model, 16);
      for (int i = 0; i < 37; i++) {
        assertArrayEquals(one[i], many[i], 5e-6f);
      }
    }
  }

  @Test
  void fingerprintSeesTokensAndTargets() {
    TokenSequence a = sequence(5, 6);
    TokenSequence b = sequence(5, 7);
    String first = set(List.of(a, b), 0, 1).fingerprint();
    assertEquals(first, set(List.of(sequence(5, 6), sequence(5, 7)), 0, 1).fingerprint());
    assertNotEquals(first, set(List.of(b, a), 0, 1).fingerprint());
    assertNotEquals(first, set(List.of(a, b), 0, 0).fingerprint());
    assertNotEquals(first, set(List.of(a, a), 0, 1).fingerprint());
  }

  @Test
  void emptyOrUnevenIsRefused() {
    assertThrows(IllegalArgumentException.class, () -> set(List.of()));
    Exception e =
        assertThrows(IllegalArgumentException.class, () -> set(List.of(sequence(1)), 0, 1));
    assertTrue(e.getMessage().contains("found 2 and 1"), e.getMessage());
  }

  private static TokenSequence sequence(int... ids) {
    int[] zeros = new int[ids.length];
    return new TokenSequence(ids, zeros, zeros, new boolean[ids.length]);
  }

  private static ClassificationSet set(List<TokenSequence> sequences, float... classes) {
    float[][] targets = new float[classes.length][];
    for (int i = 0; i < classes.length; i++) {
      targets[i] = new float[] {classes[i]};
    }
    return new ClassificationSet(sequences, targets);
  }
}
