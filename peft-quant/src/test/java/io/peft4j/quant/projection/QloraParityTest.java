package io.peft4j.quant.projection;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.ndarray.NDArray;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.peft4j.adapter.AdaptedModel;
import io.peft4j.adapter.method.Adapter;
import io.peft4j.data.EpochOrder;
import io.peft4j.model.CausalLm;
import io.peft4j.model.Model;
import io.peft4j.model.batch.TokenBatch;
import io.peft4j.model.chain.Loss;
import io.peft4j.model.load.LoadOptions;
import io.peft4j.quant.FloatType;
import io.peft4j.quant.QuantizationConfig;
import io.peft4j.quant.checkpoint.CheckpointQuantizer;
import io.peft4j.safetensors.SafetensorsFile;
import io.peft4j.torch.Autograd;
import io.peft4j.torch.Precision;
import io.peft4j.train.Schedule;
import io.peft4j.train.Trainer;
import io.peft4j.train.TrainingArguments;
import io.peft4j.train.TrainingSet;
import io.peft4j.train.report.StepReport;
import io.peft4j.train.report.TrainingListener;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Language models: Hugging Face peft on bitsandbytes' CPU backend, see {@code make_qlora.py}. */
class QloraParityTest {

  static final int BATCH = 4;

  /** How far two programs may be apart in float32, as a part of a gradient's length. */
  private static final double FLOAT32 = 1e-4;

  @TempDir Path temp;

  static Path folder() {
    try {
      return Path.of(QloraParityTest.class.getResource("/io/peft4j/quant/qlora").toURI());
    } catch (URISyntaxException e) {
      throw new IllegalStateException(e);
    }
  }

  private static JsonNode json(String name) throws IOException {
    return new ObjectMapper().readTree(folder().resolve(name).toFile());
  }

  static int[][] sequences() throws IOException {
    return new ObjectMapper().treeToValue(json("sequences.json"), int[][].class);
  }

  static LoadOptions options(String mode) {
    return LoadOptions.DEFAULT
        .withPrecision(mode.equals("bf16") ? Precision.BFLOAT16 : Precision.FLOAT32)
        .withFormat(
            QuantizedFormat.of(
                QuantizationConfig.nf4()
                    .withDoubleQuant(true)
                    .withComputeType(mode.equals("float32") ? FloatType.F32 : FloatType.BF16)));
  }

  static TokenBatch batch(Model model, List<int[]> rows) {
    return model.batch(
        rows.stream().map(ids -> model.sequence(ids, null).withLabels(ids)).toList());
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
    try (CausalLm lm = CausalLm.load(folder().resolve("base"), options(mode));
        AdaptedModel adapted = new AdaptedModel(lm.model())) {
      Adapter adapter = adapted.load("default", folder().resolve("adapter"));
      adapter.setTrainable(true);
      List<int[]> rows = List.of(sequences()).subList(0, BATCH);
      double loss;
      int labels = BATCH * (rows.get(0).length - 1);
      try (TokenBatch batch = batch(lm.model(), rows)) {
        loss =
            lm.model()
                    .forwardBackward(
                        batch, null, 1.0 / labels, 0, recompute ? lm.model().recomputable() : 0)
                / labels;
      }
      assertEquals(json(mode + ".json").get("loss").asDouble(), loss, 0.01);
      double worst = compareGradients(folder(), mode, adapter);
      System.out.printf(
          Locale.ROOT,
          "qlora %s, recompute %s: gradients differ by at most %.4f of their length%n",
          mode,
          recompute,
          worst);
    }
  }

  /**
   * Compares the gradients of an adapter with {@code MODE.safetensors}.
   *
   * @return the largest difference, as a part of a gradient's length
   */
  static double compareGradients(Path folder, String mode, Adapter adapter) throws IOException {
    double worst = 0;
    try (SafetensorsFile expected = SafetensorsFile.open(folder.resolve(mode + ".safetensors"));
        SafetensorsFile exact = SafetensorsFile.open(folder.resolve("float32.safetensors"))) {
      assertEquals(expected.tensors().size(), adapter.tensors().size());
      for (Map.Entry<String, NDArray> tensor : adapter.tensors().entrySet()) {
        String name = "base_model.model." + tensor.getKey();
        try (NDArray gradient = Autograd.gradient(tensor.getValue())) {
          float[] ours = gradient.toFloatArray();
          float[] theirs = floats(expected, name);
          compare(name, mode, floats(exact, name), theirs, ours);
          worst = Math.max(worst, distance(theirs, ours));
        }
      }
    }
    return worst;
  }

  /** In float32 the two are the same; else both are roundings of {@code exact}. */
  static void compare(String name, String mode, float[] exact, float[] theirs, float[] ours) {
    double distance = distance(theirs, ours);
    if (mode.equals("float32")) {
      assertTrue(distance < FLOAT32, () -> name + ": " + distance);
      return;
    }
    // two roundings of the same thing; here the factors are in bfloat16 as well
    double theirError = distance(exact, theirs);
    double ourError = distance(exact, ours);
    assertTrue(ourError < 2 * theirError, () -> name + ": " + ourError + ", " + theirError);
    assertTrue(distance < 2.5 * theirError, () -> name + ": " + distance + ", " + theirError);
  }

  @ParameterizedTest
  @CsvSource({"float32,1", "float32,2", "kbit,1", "bf16,1", "bf16,2"})
  void lossCurvesOverlap(String mode, int workers) throws IOException {
    try (CausalLm lm = CausalLm.load(folder().resolve("base"), options(mode));
        AdaptedModel adapted = new AdaptedModel(lm.model())) {
      adapted.load("default", folder().resolve("adapter"));
      TrainingSet data = new Rows(sequences());
      double worst = compareCurves(mode, json(mode + ".json"), adapted, data, workers, temp);
      System.out.printf(
          Locale.ROOT,
          "qlora %s, workers %d: 50 losses differ by at most %.4f%n",
          mode,
          workers,
          worst);
    }
  }

  /**
   * Trains one epoch and compares the loss of each step.
   *
   * @param golden with {@code rate} and {@code curve}
   * @return the largest difference
   */
  static double compareCurves(
      String mode, JsonNode golden, AdaptedModel adapted, TrainingSet data, int workers, Path temp)
      throws IOException {
    TrainingArguments arguments =
        TrainingArguments.builder()
            .numTrainEpochs(1)
            .perDeviceTrainBatchSize(BATCH)
            .learningRate(golden.get("rate").asDouble())
            .lrSchedulerType(Schedule.CONSTANT)
            .maxGradNorm(0)
            .workers(workers)
            .seed(0)
            .build();
    List<Double> losses = new ArrayList<>();
    TrainingListener listener =
        new TrainingListener() {
          @Override
          public void onStep(StepReport step) {
            losses.add(step.loss());
          }
        };
    new Trainer(adapted, "default", arguments, data, null, listener, temp, Map.of()).train(false);
    JsonNode curve = golden.get("curve");
    assertEquals(curve.size(), losses.size());
    double worst = 0;
    for (int i = 0; i < losses.size(); i++) {
      worst = Math.max(worst, Math.abs(curve.get(i).asDouble() - losses.get(i)));
    }
    assertTrue(worst < (mode.equals("float32") ? 1e-4 : 0.03), "the curves differ by " + worst);
    return worst;
  }

  @Test
  void foldersQuantizedBeforeGiveTheSameAsDenseOnesQuantizedOnLoading() throws IOException {
    Path packed = temp.resolve("packed");
    new CheckpointQuantizer(QuantizationConfig.nf4().withDoubleQuant(true))
        .quantize(folder().resolve("base"), packed);
    int[] ids = sequences()[0];
    float[] expected;
    try (CausalLm lm = CausalLm.load(folder().resolve("base"), options("bf16"))) {
      expected = lm.logProbs(List.of(lm.sequence(ids)))[0];
    }
    LoadOptions plain = LoadOptions.DEFAULT.withPrecision(Precision.BFLOAT16);
    try (CausalLm lm = CausalLm.load(packed, plain)) {
      assertEquals(
          Arrays.toString(expected), Arrays.toString(lm.logProbs(List.of(lm.sequence(ids)))[0]));
    }
  }

  static float[] floats(SafetensorsFile file, String name) {
    float[] values = new float[(int) file.info(name).elements()];
    file.bytes(name).asFloatBuffer().get(values);
    return values;
  }

  /** {@return the length of the difference over that of {@code expected}} */
  static double distance(float[] expected, float[] found) {
    assertEquals(expected.length, found.length);
    double difference = 0;
    double length = 0;
    for (int i = 0; i < expected.length; i++) {
      difference += Math.pow(expected[i] - found[i], 2);
      length += Math.pow(expected[i], 2);
    }
    return Math.sqrt(difference / length);
  }

  /**
   * {@return where in the first epoch the trainer, with seed 0, sees each of {@code n} examples}
   */
  static int[] places(int n) {
    int[] order = EpochOrder.permutation(n, 0, 0);
    int[] place = new int[n];
    for (int i = 0; i < n; i++) {
      place[order[i]] = i;
    }
    return place;
  }

  /** Rows that the trainer sees in the order in which they are given. */
  private record Rows(int[][] rows, int[] place) implements TrainingSet {

    Rows(int[][] rows) {
      this(rows, places(rows.length));
    }

    @Override
    public int size() {
      return rows.length;
    }

    @Override
    public int length(int index) {
      return rows[0].length;
    }

    @Override
    public int weight(int index) {
      return rows[0].length - 1;
    }

    @Override
    public String fingerprint() {
      return "rows";
    }

    @Override
    public TokenBatch batch(Model model, int[] examples) {
      return QloraParityTest.batch(
          model, Arrays.stream(examples).mapToObj(i -> rows[place[i]]).toList());
    }

    @Override
    public Loss loss(Model model, int[] examples) {
      return null;
    }
  }
}
