package org.example.oft;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.ndarray.NDArray;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.adapter.AdaptedModel;
import io.peft4j.adapter.method.Adapter;
import io.peft4j.adapter.method.AdapterConfig;
import io.peft4j.adapter.method.AdapterMethods;
import io.peft4j.adapter.method.Floats;
import io.peft4j.adapter.method.MethodConfig;
import io.peft4j.model.CausalLm;
import io.peft4j.model.Model;
import io.peft4j.model.batch.TokenBatch;
import io.peft4j.model.batch.TokenSequence;
import io.peft4j.model.chain.Loss;
import io.peft4j.model.load.LoadOptions;
import io.peft4j.safetensors.SafetensorsFile;
import io.peft4j.safetensors.TensorInfo;
import io.peft4j.torch.Autograd;
import io.peft4j.torch.Precision;
import io.peft4j.torch.TrainingOps;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A method that the library does not know gives peft's outputs, gradients and files. */
class OftMethodTest {

  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Path BASES = Path.of("src", "test", "resources", "golden");
  private static final Path FOLDERS = Path.of("src", "external", "resources", "golden", "oft");

  @TempDir Path temp;

  /** A base with what peft's results are about. */
  private static final class Subject implements AutoCloseable {
    final JsonNode golden;
    final JsonNode base;
    final Model model;
    final AdaptedModel adapted;
    final boolean encoder;

    Subject(String name) throws IOException {
      golden = JSON.readTree(FOLDERS.resolve(name).resolve("golden.json").toFile());
      Path folder = BASES.resolve(golden.get("base").asText());
      base = JSON.readTree(folder.resolve("golden.json").toFile());
      encoder = golden.has("cases");
      LoadOptions options = LoadOptions.DEFAULT.withPrecision(Precision.FLOAT32);
      model = encoder ? Model.load(folder, options) : CausalLm.load(folder, options).model();
      adapted = new AdaptedModel(model);
    }

    JsonNode inputs(String name) {
      for (JsonNode test : base.get("cases")) {
        if (test.get("name").asText().equals(name)) {
          return test.get("inputs");
        }
      }
      throw new AssertionError("no case " + name);
    }

    TokenBatch batch(JsonNode inputs, JsonNode labels) {
      List<TokenSequence> sequences = new ArrayList<>();
      for (int i = 0; i < inputs.get("input_ids").size(); i++) {
        JsonNode types = inputs.get("token_type_ids");
        TokenSequence sequence =
            model.unpad(
                ints(inputs.get("input_ids").get(i)),
                types == null ? null : ints(types.get(i)),
                ints(inputs.get("attention_mask").get(i)));
        sequences.add(
            labels == null
                ? sequence
                : sequence.withLabels(Arrays.copyOf(ints(labels.get(i)), sequence.length())));
      }
      return model.batch(sequences);
    }

    /** {@return the largest difference of an encoder's logits from the golden ones} */
    double distance() {
      double largest = 0;
      for (JsonNode name : golden.get("cases")) {
        try (TokenBatch batch = batch(inputs(name.asText()), null)) {
          float[][] found = model.logits(batch);
          JsonNode expected = golden.get("logits").get(name.asText());
          for (int i = 0; i < found.length; i++) {
            for (int j = 0; j < found[i].length; j++) {
              double difference = Math.abs(expected.get(i).get(j).asDouble() - found[i][j]);
              largest = Math.max(largest, difference);
            }
          }
        }
      }
      return largest;
    }

    double backward(boolean recompute) {
      if (!encoder) {
        try (TokenBatch batch = batch(golden.get("inputs"), golden.get("labels"))) {
          return model.forwardBackward(batch, null, 1, 0, recompute);
        }
      }
      long[] labels = Arrays.stream(ints(golden.get("labels"))).asLongStream().toArray();
      Loss loss = logits -> TrainingOps.crossEntropy(logits, logits.getManager().create(labels));
      try (TokenBatch batch = batch(inputs(golden.get("case").asText()), null)) {
        return model.forwardBackward(batch, loss, 1, 0, recompute);
      }
    }

    @Override
    public void close() {
      adapted.close();
      model.close();
    }
  }

  private static int[] ints(JsonNode array) {
    int[] values = new int[array.size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = array.get(i).asInt();
    }
    return values;
  }

  /** {@return tensors by key without peft's prefix} */
  private static Map<String, float[]> read(Path path) throws IOException {
    Map<String, float[]> tensors = new TreeMap<>();
    try (SafetensorsFile file = SafetensorsFile.open(path)) {
      for (TensorInfo info : file.tensors().values()) {
        tensors.put(
            info.name().replaceFirst("^base_model\\.model\\.", ""), Floats.read(file, info));
      }
    }
    return tensors;
  }

  @ParameterizedTest
  @ValueSource(strings = {"oft-bert", "oft-exact-bert", "oft-share-bert", "oft-llama"})
  void outputsGradientsAndFilesArePefts(String name) throws IOException {
    Path folder = FOLDERS.resolve(name);
    try (Subject subject = new Subject(name)) {
      Adapter adapter = subject.adapted.load("a", folder);
      if (subject.encoder) {
        assertTrue(subject.distance() < 2e-5, "logits: " + subject.distance());
      }
      adapter.setTrainable(true);
      assertEquals(subject.golden.get("trainable").asLong(), adapter.parameterCount());
      for (boolean recompute : new boolean[] {false, true}) {
        double loss = subject.backward(recompute);
        assertEquals(1, loss / subject.golden.get("loss").asDouble(), 1e-5, "loss");
        double distance = distance(adapter, read(folder.resolve("grads.safetensors")));
        assertTrue(distance < 1e-4, "gradients: " + distance);
        adapter.clearGradients();
      }
      String saved = System.getProperty("peft4j.oft.saved"); // for make_oft.py check
      Path again = saved == null ? temp : Path.of(saved, name);
      subject.adapted.save("a", again, Map.of());
      assertArrayEquals(
          Files.readAllBytes(folder.resolve("adapter_model.safetensors")),
          Files.readAllBytes(again.resolve("adapter_model.safetensors")));
      ObjectNode expected =
          (ObjectNode) JSON.readTree(folder.resolve("adapter_config.json").toFile());
      ObjectNode found = (ObjectNode) JSON.readTree(again.resolve("adapter_config.json").toFile());
      expected.remove(List.of("target_modules", "modules_to_save")); // sets, in any order
      found.remove(List.of("target_modules", "modules_to_save"));
      assertEquals(expected, found);
    }
  }

  /** {@return the largest of |a - b| / |b| over tensors, by L2 norms} */
  private static double distance(Adapter adapter, Map<String, float[]> expected) {
    assertEquals(expected.keySet(), new TreeMap<>(adapter.tensors()).keySet());
    double worst = 0;
    for (Map.Entry<String, float[]> entry : expected.entrySet()) {
      try (NDArray gradient = Autograd.gradient(adapter.tensors().get(entry.getKey()))) {
        float[] found = gradient.toFloatArray();
        double difference = 0;
        double square = 1e-12;
        for (int i = 0; i < found.length; i++) {
          difference += Math.pow(found[i] - entry.getValue()[i], 2);
          square += Math.pow(entry.getValue()[i], 2);
        }
        worst = Math.max(worst, Math.sqrt(difference / square));
      }
    }
    return worst;
  }

  @ParameterizedTest
  @ValueSource(strings = {"oft-bert", "oft-exact-bert", "oft-share-bert"})
  void mergedItActsTheSame(String name) throws IOException {
    try (Subject subject = new Subject(name)) {
      subject.adapted.load("a", FOLDERS.resolve(name));
      subject.adapted.merge("a");
      assertTrue(subject.distance() < 2e-5, "merged: " + subject.distance());
      subject.adapted.unmerge();
      assertTrue(subject.distance() < 2e-5, "unmerged: " + subject.distance());
    }
  }

  @Test
  void aNewOneIsTheBaseAndCountsItsMemory() throws IOException {
    try (Subject subject = new Subject("oft-bert")) {
      TokenBatch batch = subject.batch(subject.inputs(subject.golden.get("case").asText()), null);
      float[][] base = subject.model.logits(batch);
      MethodConfig config = MethodConfig.of("OFT").with("oft_block_size", 8);
      Adapter adapter = subject.adapted.add("new", config, 1);
      assertArrayEquals(base[0], subject.model.logits(batch)[0], 1e-6f);
      adapter.setTrainable(true);
      assertTrue(subject.model.estimate(batch, 0, 0).graphs().get(0) > 0);
      batch.close();
    }
  }

  /** As peft's adjust_oft_parameters. */
  @Test
  void blocksThatDoNotFitAreAdjustedAsInPeft() {
    assertEquals(4, OftMethod.fitting(32, 5));
    assertEquals(8, OftMethod.fitting(32, 6) * 2);
    assertEquals(32, OftMethod.fitting(32, 40));
    assertEquals(12, OftMethod.fitting(48, 11));
  }

  @Test
  void whatThereIsNotIsRefusedByName() {
    refused("coft", true, "'coft' asks for a variant of OFT");
    refused("bias", "all", "'bias': expected none");
    refused("r", 4, "expected one of 'r' and 'oft_block_size'");
    String message =
        assertThrows(
                IllegalArgumentException.class,
                () -> MethodConfig.of("OFT").with("block_shared", 1))
            .getMessage();
    assertTrue(message.contains("near: block_share"), message);
  }

  private static void refused(String key, Object value, String expected) {
    AdapterConfig config = MethodConfig.of("OFT").with(key, value);
    String message =
        assertThrows(
                IllegalArgumentException.class,
                () -> AdapterMethods.named("OFT").parse(config.toJson()))
            .getMessage();
    assertTrue(message.startsWith(expected), message);
  }
}
