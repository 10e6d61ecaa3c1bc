package io.peft4j.quant.projection;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.ndarray.NDArray;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.peft4j.adapter.AdaptedModel;
import io.peft4j.adapter.method.Adapter;
import io.peft4j.adapter.select.FullConfig;
import io.peft4j.model.CausalLm;
import io.peft4j.model.Model;
import io.peft4j.model.ModelExport;
import io.peft4j.model.batch.TokenBatch;
import io.peft4j.model.batch.TokenSequence;
import io.peft4j.model.chain.Loss;
import io.peft4j.model.load.LoadOptions;
import io.peft4j.quant.FloatType;
import io.peft4j.quant.QuantizationConfig;
import io.peft4j.quant.checkpoint.CheckpointQuantizer;
import io.peft4j.torch.Autograd;
import io.peft4j.torch.TrainingOps;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Every method on a 4-bit base gives the loss and the gradients that it gives on the dense model of
 * the weights which the codes stand for, however the base's layers are run.
 */
class QuantizedMethodsTest {

  private static final Path GOLDEN =
      Path.of("..", "peft-core", "src", "test", "resources", "golden");
  private static final QuantizationConfig NF4 =
      QuantizationConfig.nf4().withDoubleQuant(true).withComputeType(FloatType.F32);
  private static final int[] LENGTHS = {12, 7, 9, 3};

  @TempDir private static Path temp;

  /** Adapters that peft or the adapters library wrote, and what they are for. */
  static Stream<Path> adapters() throws IOException {
    List<Path> found = new ArrayList<>();
    try (Stream<Path> methods = Files.list(GOLDEN.resolve("methods"))) {
      methods.filter(folder -> json(folder).has("base")).forEach(found::add);
    }
    for (String name : List.of("lora/bert-dora", "lora/bert-rslora", "lora/bert-embeddings-dora")) {
      found.add(GOLDEN.resolve(name));
    }
    for (String name : List.of("lora-llama", "lora-gpt2", "lora-phi3", "lora-gemma2")) {
      found.add(GOLDEN.resolve("decoders").resolve(name));
    }
    return found.stream().sorted();
  }

  private static JsonNode json(Path folder) {
    try {
      return new ObjectMapper().readTree(folder.resolve("golden.json").toFile());
    } catch (IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
  }

  private static Path baseOf(Path adapter) {
    Path name = adapter.getFileName();
    if (adapter.startsWith(GOLDEN.resolve("decoders"))) {
      return GOLDEN.resolve("decoders").resolve(name.toString().replace("lora-", ""));
    }
    return adapter.startsWith(GOLDEN.resolve("lora"))
        ? GOLDEN.resolve("encoders/bert")
        : GOLDEN.resolve(json(adapter).get("base").asText());
  }

  private static boolean isEncoder(Path base) {
    return base.startsWith(GOLDEN.resolve("encoders"));
  }

  /** The folder of the weights that NF4's codes of {@code base} stand for, in float32. */
  private static Path standIn(Path base) throws IOException {
    Path folder = temp.resolve("dense-" + base.getFileName());
    if (!Files.exists(folder)) {
      try (Subject quantized = new Subject(base, base, packed())) {
        ModelExport.write(quantized.model, folder);
      }
    }
    return folder;
  }

  private static Path stored(Path base) throws IOException {
    Path folder = temp.resolve("packed-" + base.getFileName());
    if (!Files.exists(folder)) {
      new CheckpointQuantizer(NF4).quantize(base, folder);
    }
    return folder;
  }

  private static LoadOptions packed() {
    return LoadOptions.DEFAULT.withFormat(QuantizedFormat.of(NF4));
  }

  /** A model and its kind. */
  private static final class Subject implements AutoCloseable {
    final CausalLm lm;
    final Model model;

    Subject(Path base, Path folder, LoadOptions options) throws IOException {
      lm = isEncoder(base) ? null : CausalLm.load(folder, options);
      model = lm == null ? Model.load(folder, options) : lm.model();
    }

    /** Texts of different lengths, packed into rows. */
    TokenBatch batch() {
      List<TokenSequence> sequences = new ArrayList<>();
      for (int length : LENGTHS) {
        int[] ids = new int[length];
        for (int i = 0; i < length; i++) {
          ids[i] = 3 + (7 * i + 11 * length) % 50;
        }
        TokenSequence sequence = model.sequence(ids, null);
        sequences.add(lm == null ? sequence : sequence.withLabels(ids));
      }
      return model.batch(sequences);
    }

    /** The loss, and the gradients by name. */
    Map<String, float[]> run(Path adapterFolder, boolean recompute) throws IOException {
      Map<String, float[]> found = new TreeMap<>();
      try (AdaptedModel adapted = new AdaptedModel(model)) {
        Adapter adapter = adapted.load("a", adapterFolder);
        adapter.setTrainable(true);
        Loss loss =
            logits ->
                TrainingOps.crossEntropy(
                    logits, logits.getManager().create(new long[] {0, 1, 1, 0}));
        try (TokenBatch batch = batch()) {
          double value =
              model.forwardBackward(
                  batch, lm == null ? loss : null, 1, 7, recompute ? model.recomputable() : 0);
          found.put("loss", new float[] {(float) value});
        }
        for (Map.Entry<String, NDArray> tensor : adapter.tensors().entrySet()) {
          try (NDArray gradient = Autograd.gradient(tensor.getValue())) {
            if (gradient != null) {
              found.put(tensor.getKey(), gradient.toFloatArray());
            }
          }
        }
        assertTrue(found.size() > 1, "something is trained");
      }
      return found;
    }

    @Override
    public void close() {
      if (lm == null) {
        model.close();
      } else {
        lm.close();
      }
    }
  }

  private static double distance(Map<String, float[]> expected, Map<String, float[]> found) {
    assertEquals(expected.keySet(), found.keySet());
    double largest = 0;
    double scale = 0;
    for (Map.Entry<String, float[]> entry : expected.entrySet()) {
      float[] ours = found.get(entry.getKey());
      for (int i = 0; i < ours.length; i++) {
        largest = Math.max(largest, Math.abs(entry.getValue()[i] - ours[i]));
        scale = Math.max(scale, Math.abs(entry.getValue()[i]));
      }
    }
    return largest / scale;
  }

  @ParameterizedTest
  @MethodSource("adapters")
  void gradientsAreThoseOnTheDenseWeights(Path adapter) throws IOException {
    Path base = baseOf(adapter);
    Map<String, float[]> expected;
    Map<String, float[]> other;
    try (Subject dense = new Subject(base, standIn(base), LoadOptions.DEFAULT)) {
      assertTrue(QuantizedProjection.in(dense.model).isEmpty());
      expected = dense.run(adapter, false);
    }
    try (Subject original = new Subject(base, base, LoadOptions.DEFAULT)) {
      other = original.run(adapter, false);
    }
    assertTrue(distance(expected, other) > 1e-3, "quantization changes something");
    Map<String, Map<String, float[]>> ways = new HashMap<>();
    try (Subject quantized = new Subject(base, base, packed())) {
      assertTrue(QuantizedProjection.in(quantized.model).size() >= 6);
      ways.put("kept", quantized.run(adapter, false));
      ways.put("run again", quantized.run(adapter, true));
    }
    Path stored = stored(base);
    try (Subject read = new Subject(base, stored, LoadOptions.DEFAULT)) {
      ways.put("stored", read.run(adapter, false));
    }
    try (Subject streamed = new Subject(base, stored, LoadOptions.DEFAULT.withStreaming(true))) {
      ways.put("streamed", streamed.run(adapter, true));
    }
    double worst = 0;
    for (Map.Entry<String, Map<String, float[]>> way : ways.entrySet()) {
      double distance = distance(expected, way.getValue());
      assertTrue(distance < 1e-5, way.getKey() + ": " + distance);
      worst = Math.max(worst, distance);
      way.getValue()
          .forEach(
              (name, values) ->
                  assertArrayEquals(
                      ways.get("kept").get(name), values, 1e-6f, way.getKey() + ": " + name));
    }
    System.out.printf(
        Locale.ROOT,
        "%s on NF4: gradients differ from those on the dense weights by %.1e%n",
        adapter.getFileName(),
        worst);
  }

  @Test
  void fullFineTuningIsRefused() throws IOException {
    Path base = GOLDEN.resolve("decoders/llama");
    try (Subject quantized = new Subject(base, base, packed());
        AdaptedModel adapted = new AdaptedModel(quantized.model)) {
      IllegalArgumentException e =
          assertThrows(
              IllegalArgumentException.class, () -> adapted.add("full", new FullConfig(), 0));
      assertTrue(
          e.getMessage().contains("full fine-tuning needs dense weights, found a quantized one"),
          e.getMessage());
    }
  }
}
