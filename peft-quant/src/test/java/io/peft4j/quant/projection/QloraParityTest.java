package io.peft4j.quant.projection;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.ndarray.NDArray;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.peft4j.adapter.AdaptedModel;
import io.peft4j.adapter.Adapter;
import io.peft4j.data.EpochOrder;
import io.peft4j.model.CausalLm;
import io.peft4j.model.LoadOptions;
import io.peft4j.model.Model;
import io.peft4j.model.TokenBatch;
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
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Hugging Face peft on bitsandbytes' CPU backend, see {@code make_qlora.py}. */
class QloraParityTest {

  private static final int BATCH = 4;

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
        AdaptedModel adapted = new AdaptedModel(lm.model());
        SafetensorsFile expected = SafetensorsFile.open(folder().resolve(mode + ".safetensors"));
        SafetensorsFile exact = SafetensorsFile.open(folder().resolve("float32.safetensors"))) {
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
      assertEquals(expected.tensors().size(), adapter.tensors().size());
      double worst = 0;
      for (Map.Entry<String, NDArray> tensor : adapter.tensors().entrySet()) {
        String name = "base_model.model." + tensor.getKey();
        float[] theirs = floats(expected, name);
        try (NDArray gradient = Autograd.gradient(tensor.getValue())) {
          float[] ours = gradient.toFloatArray();
          double distance = distance(theirs, ours);
          worst = Math.max(worst, distance);
          if (mode.equals("float32")) {
            assertTrue(distance < FLOAT32, () -> name + ": " + distance);
            continue;
          }
          // two roundings of the same thing; here the factors are in bfloat16 as well
          double theirError = distance(floats(exact, name), theirs);
          double ourError = distance(floats(exact, name), ours);
          assertTrue(ourError < 2 * theirError, () -> name + ": " + ourError + ", " + theirError);
          assertTrue(distance < 2.5 * theirError, () -> name + ": " + distance + ", " + theirError);
        }
      }
      System.out.printf(
          "qlora %s, recompute %s: gradients differ by at most %.4f of their length%n",
          mode, recompute, worst);
    }
  }

  @ParameterizedTest
  @CsvSource({"float32,1", "float32,2", "kbit,1", "bf16,1", "bf16,2"})
  void lossCurvesOverlap(String mode, int workers) throws IOException {
    JsonNode golden = json(mode + ".json");
    List<Double> losses = new ArrayList<>();
    try (CausalLm lm = CausalLm.load(folder().resolve("base"), options(mode));
        AdaptedModel adapted = new AdaptedModel(lm.model())) {
      adapted.load("default", folder().resolve("adapter"));
      int[][] rows = sequences();
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
      TrainingListener listener =
          new TrainingListener() {
            @Override
            public void onStep(StepReport step) {
              losses.add(step.loss());
            }
          };
      new Trainer(adapted, "default", arguments, new Rows(rows), null, listener, temp, Map.of())
          .train(false);
    }
    JsonNode curve = golden.get("curve");
    assertEquals(curve.size(), losses.size());
    double worst = 0;
    for (int i = 0; i < losses.size(); i++) {
      worst = Math.max(worst, Math.abs(curve.get(i).asDouble() - losses.get(i)));
    }
    System.out.printf(
        "qlora %s, workers %d: 50 losses differ by at most %.4f%n", mode, workers, worst);
    assertTrue(worst < (mode.equals("float32") ? 1e-4 : 0.03), "the curves differ by " + worst);
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

  /** Rows that the trainer sees in the order in which they are given. */
  private record Rows(int[][] rows, int[] place) implements TrainingSet {

    Rows(int[][] rows) {
      this(rows, inverse(EpochOrder.permutation(rows.length, 0, 0)));
    }

    private static int[] inverse(int[] permutation) {
      int[] place = new int[permutation.length];
      for (int i = 0; i < place.length; i++) {
        place[permutation[i]] = i;
      }
      return place;
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
    public Model.Loss loss(Model model, int[] examples) {
      return null;
    }
  }
}
