package io.peft4j.quant.projection;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.peft4j.adapter.AdaptedModel;
import io.peft4j.adapter.method.Adapter;
import io.peft4j.data.LabelNames;
import io.peft4j.data.Task;
import io.peft4j.model.Model;
import io.peft4j.model.batch.TokenBatch;
import io.peft4j.model.batch.TokenSequence;
import io.peft4j.model.module.Linear;
import io.peft4j.train.ClassificationSet;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.IntStream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Sequence classification: Hugging Face peft on bitsandbytes' CPU backend, with padding, beside
 * rows packed without; see {@code make_qlora_classifier.py}.
 */
class QloraClassifierParityTest {

  private static final int BATCH = QloraParityTest.BATCH;

  @TempDir Path temp;

  private static Path folder() {
    return QloraParityTest.folder().resolveSibling("qlora-classifier");
  }

  private static JsonNode json(String name) throws IOException {
    return new ObjectMapper().readTree(folder().resolve(name).toFile());
  }

  /** A head for three classes on the base of {@link QloraParityTest}, trained along. */
  private static Model load(String mode) throws IOException {
    LabelNames labels = LabelNames.of(List.of("by one", "by two", "by three"));
    Model model =
        Model.load(
            QloraParityTest.folder().resolve("base"),
            QloraParityTest.options(mode).withHead(Task.SINGLE_LABEL, labels));
    assertEquals(14, QuantizedProjection.in(model).size());
    assertTrue(((Linear) model.modules().leaf("score")).weight() != null, "the head is dense");
    return model;
  }

  /**
   * @param order which of the golden examples comes where
   */
  private static ClassificationSet examples(Model model, int[] order) throws IOException {
    JsonNode rows = json("examples.json");
    List<TokenSequence> sequences = new ArrayList<>();
    float[][] labels = new float[order.length][];
    for (int i = 0; i < order.length; i++) {
      JsonNode row = rows.get(order[i]);
      int[] ids = new ObjectMapper().convertValue(row.get("ids"), int[].class);
      sequences.add(model.sequence(ids, null));
      labels[i] = new float[] {row.get("label").asInt()};
    }
    return new ClassificationSet(sequences, labels);
  }

  private static int[] inOrder() throws IOException {
    return IntStream.range(0, json("examples.json").size()).toArray();
  }

  private static float[] logits(String mode) throws IOException {
    float[][] rows =
        new ObjectMapper().convertValue(json(mode + ".json").get("logits"), float[][].class);
    return flat(rows);
  }

  private static float[] flat(float[][] rows) {
    float[] all = new float[rows.length * rows[0].length];
    for (int i = 0; i < rows.length; i++) {
      System.arraycopy(rows[i], 0, all, i * rows[i].length, rows[i].length);
    }
    return all;
  }

  @ParameterizedTest
  @ValueSource(strings = {"float32", "kbit", "bf16"})
  void logitsAreThoseOfPeftAndBitsandbytes(String mode) throws IOException {
    try (Model model = load(mode);
        AdaptedModel adapted = new AdaptedModel(model)) {
      adapted.load("default", folder().resolve("adapter"));
      float[] ours = flat(examples(model, inOrder()).logits(model, BATCH));
      float[] theirs = logits(mode);
      System.out.printf(
          Locale.ROOT,
          "qlora classifier %s: %d logits differ by %.1e of their length (theirs from float32's"
              + " %.1e, ours %.1e)%n",
          mode,
          ours.length,
          QloraParityTest.distance(theirs, ours),
          QloraParityTest.distance(logits("float32"), theirs),
          QloraParityTest.distance(logits("float32"), ours));
      QloraParityTest.compare("logits", mode, logits("float32"), theirs, ours);
    }
  }

  @ParameterizedTest
  @CsvSource({
    "float32,false",
    "float32,true",
    "kbit,false",
    "kbit,true",
    "bf16,false",
    "bf16,true"
  })
  void gradientsAreThoseOfPeftAndBitsandbytes(String mode, boolean recompute) throws IOException {
    try (Model model = load(mode);
        AdaptedModel adapted = new AdaptedModel(model)) {
      Adapter adapter = adapted.load("default", folder().resolve("adapter"));
      adapter.setTrainable(true);
      ClassificationSet data = examples(model, inOrder());
      int[] first = IntStream.range(0, BATCH).toArray();
      double loss;
      try (TokenBatch batch = data.batch(model, first)) {
        loss =
            model.forwardBackward(batch, data.loss(model, first), 1.0 / BATCH, 0, recompute)
                / BATCH;
      }
      assertEquals(json(mode + ".json").get("loss").asDouble(), loss, 0.01);
      assertTrue(adapter.tensors().containsKey("score.weight"), "the head is trained");
      double worst = QloraParityTest.compareGradients(folder(), mode, adapter);
      System.out.printf(
          Locale.ROOT,
          "qlora classifier %s, recompute %s: gradients differ by at most %.1e of their length%n",
          mode,
          recompute,
          worst);
    }
  }

  @ParameterizedTest
  @CsvSource({"float32,1", "float32,2", "kbit,1", "bf16,1", "bf16,2"})
  void lossCurvesOverlap(String mode, int workers) throws IOException {
    try (Model model = load(mode);
        AdaptedModel adapted = new AdaptedModel(model)) {
      adapted.load("default", folder().resolve("adapter"));
      ClassificationSet data = examples(model, QloraParityTest.places(inOrder().length));
      double worst =
          QloraParityTest.compareCurves(mode, json(mode + ".json"), adapted, data, workers, temp);
      System.out.printf(
          Locale.ROOT,
          "qlora classifier %s, workers %d: 20 losses differ by at most %.1e%n",
          mode,
          workers,
          worst);
    }
  }
}
