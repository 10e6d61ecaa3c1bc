package io.peft4j.adapter;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.Golden;
import io.peft4j.ParityTable;
import io.peft4j.adapter.lycoris.LokrMethod;
import io.peft4j.adapter.method.Adapter;
import io.peft4j.adapter.method.MethodConfig;
import io.peft4j.data.RowPacking;
import io.peft4j.eval.Metrics;
import io.peft4j.model.Decoding;
import io.peft4j.model.batch.TokenSequence;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Every method that peft has gives peft's outputs, gradients and files. */
class MethodParityTest {

  private static final ObjectMapper JSON = new ObjectMapper();

  private static final ParityTable TABLE =
      new ParityTable(
          "methods",
          "Methods against peft (bottlenecks: the adapters library's formulas)",
          "adapter",
          "base",
          "logits",
          "loss",
          "gradients",
          "gradients, recomputed",
          "saved again",
          "merged",
          "generated");

  @AfterAll
  static void write() throws IOException {
    TABLE.write();
  }

  @TempDir Path temp;

  static Stream<String> adapters() {
    return Golden.folders("methods", "").stream();
  }

  static Stream<String> reparameterized() {
    return adapters().filter(name -> Files.exists(folder(name).resolve("state.safetensors")));
  }

  static Stream<String> leftPadded() {
    return adapters().filter(name -> golden(name).has("left"));
  }

  static Stream<String> decoders() {
    return adapters().filter(name -> golden(name).has("greedy"));
  }

  private static Path folder(String name) {
    return Golden.path("methods/" + name);
  }

  private static JsonNode golden(String name) {
    return Golden.json("methods/" + name + "/golden.json");
  }

  private static Map<String, float[]> withoutFrozen(Map<String, float[]> gradients) {
    Map<String, float[]> trained = new TreeMap<>(gradients);
    trained.keySet().removeIf(key -> key.startsWith("vera_A") || key.startsWith("vera_B"));
    return trained;
  }

  /** Padding before a text moves it away from the prompt, in Hugging Face's models and so here. */
  @ParameterizedTest
  @MethodSource("leftPadded")
  void paddingOnTheLeftIsCountedAsInPeft(String name) throws IOException {
    try (Subject subject = new Subject(golden(name))) {
      subject.adapted.load("a", folder(name));
      JsonNode golden = subject.golden.get("left");
      List<TokenSequence> sequences = new ArrayList<>();
      for (int i = 0; i < golden.get("labels").size(); i++) {
        int[] ids = Golden.ints(golden.get("inputs").get("input_ids").get(i));
        int[] mask = Golden.ints(golden.get("inputs").get("attention_mask").get(i));
        TokenSequence sequence = subject.model.unpad(ids, null, mask);
        int[] labels = Golden.ints(golden.get("labels").get(i));
        int padding = ids.length - sequence.length();
        sequences.add(sequence.withLabels(Arrays.copyOfRange(labels, padding, ids.length)));
      }
      double loss = 0;
      for (float[] row : subject.lm.logProbs(sequences)) {
        for (float logProb : row) {
          loss -= logProb;
        }
      }
      assertEquals(golden.get("loss").asDouble(), loss, 1e-3, name);
    }
  }

  @ParameterizedTest
  @MethodSource("adapters")
  void outputsAndGradientsEqualPeft(String name) throws IOException {
    try (Subject subject = new Subject(golden(name))) {
      Adapter adapter = load(subject, name);
      double distance = subject.lm == null ? subject.distance() : 0;
      adapter.setTrainable(true);
      for (boolean recompute : new boolean[] {false, true}) {
        double loss = subject.backward(recompute);
        double relative = Math.abs(loss / subject.golden.get("loss").asDouble() - 1);
        Map<String, float[]> found = Gradients.take(adapter);
        double gradients =
            Gradients.distance(
                found, withoutFrozen(Gradients.read(folder(name).resolve("grads.safetensors"))));
        TABLE.put(name, "base", subject.golden.get("base").asText());
        if (subject.lm == null) {
          TABLE.put(name, "logits", distance);
        }
        TABLE.put(name, "loss", relative);
        TABLE.put(name, recompute ? "gradients, recomputed" : "gradients", gradients);
        assertTrue(distance < 2e-5, "logits: " + distance);
        assertTrue(relative < 1e-5, "loss: " + relative);
        assertTrue(gradients < 1e-4, "gradients: " + gradients);
      }
      assertEquals(subject.golden.get("trainable").asLong(), adapter.parameterCount());
    }
  }

  /** With the tensors that make up the prompt where there are such, else as peft's file has it. */
  private static Adapter load(Subject subject, String name) throws IOException {
    Path state = folder(name).resolve("state.safetensors");
    if (!Files.exists(state)) {
      return subject.adapted.load("a", folder(name));
    }
    MethodConfig config = (MethodConfig) AdapterFiles.readConfig(folder(name));
    Adapter adapter = subject.adapted.add("a", config.with("inference_mode", false), 3);
    Gradients.read(state).forEach((key, values) -> adapter.tensors().get(key).set(values));
    Gradients.read(folder(name).resolve("adapter_model.safetensors"))
        .forEach(
            (key, values) -> {
              if (!key.equals("prompt_embeddings")) {
                adapter.tensors().get(key).set(values);
              }
            });
    return adapter;
  }

  @ParameterizedTest
  @MethodSource("adapters")
  void savedAgainTheFilesAreTheSame(String name) throws IOException {
    Path original = folder(name);
    try (Subject subject = new Subject(golden(name))) {
      subject.adapted.load("a", original);
      subject.adapted.save("a", temp, Map.of());
    }
    for (Path file : AdapterFiles.weights(original)) {
      assertArrayEquals(
          Files.readAllBytes(file),
          Files.readAllBytes(temp.resolve(file.getFileName())),
          file.toString());
    }
    for (String file : List.of(AdapterFiles.CONFIG, "head_config.json")) {
      if (Files.exists(original.resolve(file))) {
        assertEquals(config(original.resolve(file)), config(temp.resolve(file)));
      }
    }
    TABLE.put(name, "saved again", "the same");
  }

  /** peft writes sets of names in any order, and a name that is there already again. */
  private static JsonNode config(Path file) throws IOException {
    ObjectNode config = (ObjectNode) JSON.readTree(file.toFile());
    for (String key : List.of("target_modules", "feedforward_modules", "modules_to_save")) {
      if (config.path(key).isArray()) {
        List<String> names = new ArrayList<>();
        config.get(key).forEach(element -> names.add(element.asText()));
        config.put(key, names.stream().distinct().sorted().toList().toString());
      }
    }
    return config;
  }

  @ParameterizedTest
  @MethodSource("reparameterized")
  void whatMakesUpAPromptIsWrittenAsThePrompt(String name) throws IOException {
    try (Subject subject = new Subject(golden(name))) {
      load(subject, name);
      subject.adapted.save("a", temp, Map.of());
      Map<String, float[]> expected = Gradients.read(folder(name).resolve(AdapterFiles.WEIGHTS));
      Map<String, float[]> found = Gradients.read(temp.resolve(AdapterFiles.WEIGHTS));
      assertEquals(expected.keySet(), found.keySet());
      expected.forEach((key, values) -> assertArrayEquals(values, found.get(key), 1e-5f, key));
    }
  }

  @ParameterizedTest
  @MethodSource("adapters")
  void mergedIsTheSameAndUnmergedIsTheBase(String name) throws IOException {
    try (Subject subject = new Subject(golden(name))) {
      Adapter adapter = subject.adapted.load("a", folder(name));
      if (!adapter.attachments().isEmpty()) {
        assertThrows(IllegalArgumentException.class, () -> subject.adapted.merge("a"));
        return;
      }
      if (subject.lm == null) {
        subject.adapted.merge("a");
        double merged = subject.distance();
        TABLE.put(name, "merged", merged);
        assertTrue(merged < 1e-4, "merged: " + merged);
        subject.adapted.unmerge();
        subject.adapted.activate();
        double bare = subject.distance();
        assertTrue(bare > 0.02, "unmerged: " + bare);
        subject.adapted.activate("a");
        assertTrue(subject.distance() < 2e-5);
      } else {
        List<TokenSequence> sequences = List.of(subject.lm.sequence(new int[] {5, 9, 13, 4, 77}));
        float[][] bare = subject.lm.logProbs(sequences);
        subject.adapted.merge("a");
        float[][] merged = subject.lm.logProbs(sequences);
        subject.adapted.unmerge();
        double distance = Golden.distance(merged, subject.lm.logProbs(sequences));
        TABLE.put(name, "merged", distance);
        assertTrue(distance < 1e-4, "merged");
        subject.adapted.activate();
        assertTrue(Golden.distance(bare, subject.lm.logProbs(sequences)) > 0.01, "unmerged");
      }
    }
  }

  @ParameterizedTest
  @MethodSource("decoders")
  void generatesWhatPeftDoes(String name) throws IOException {
    try (Subject subject = new Subject(golden(name))) {
      subject.adapted.load("a", folder(name));
      int[] prompt = Golden.ints(subject.golden.get("greedy").get("prompt"));
      int[] expected = Golden.ints(subject.golden.get("greedy").get("tokens"));
      int[] found = new int[expected.length];
      // Another prompt beside it, of another length, must not be noticed.
      try (Decoding decoding = subject.lm.start(List.of(prompt, new int[] {7, 7, 9}))) {
        for (int i = 0; i < found.length; i++) {
          found[i] = Metrics.argmax(decoding.logits()[0]);
          decoding.append(new int[] {found[i], Metrics.argmax(decoding.logits()[1])});
        }
      }
      assertArrayEquals(expected, found);
      TABLE.put(name, "generated", "the same");
    }
  }

  /** What a method puts before a text or between its tokens is each example's own. */
  @ParameterizedTest
  @MethodSource("adapters")
  void packedEachExampleIsAsAlone(String name) throws IOException {
    int[] lengths = {5, 3, 13, 9, 4};
    int[][] ids = new int[lengths.length][];
    Random random = new Random(3);
    for (int i = 0; i < ids.length; i++) {
      ids[i] = random.ints(lengths[i], 5, 100).toArray();
    }
    try (Subject subject = new Subject(golden(name))) {
      subject.adapted.load("a", folder(name));
      assertTrue(RowPacking.pack(lengths).rows() < lengths.length, "packed");
      float[][] packed = subject.run(ids);
      for (int i = 0; i < ids.length; i++) {
        assertArrayEquals(subject.run(ids[i])[0], packed[i], 2e-5f);
      }
    }
  }

  @ParameterizedTest
  @MethodSource("decoders")
  void continuedFromTheCacheIsAsAllAtOnce(String name) throws IOException {
    int[] ids = {5, 9, 13, 4, 77, 8, 44, 31};
    try (Subject subject = new Subject(golden(name))) {
      subject.adapted.load("a", folder(name));
      float[] expected = subject.run(ids)[0];
      List<int[]> prompts = List.of(Arrays.copyOf(ids, 3), new int[] {7, 8, 9, 10, 11});
      try (Decoding decoding = subject.lm.start(prompts)) {
        for (int t = 3; t < ids.length; t++) {
          float[] logits = decoding.logits()[0];
          double sum = 0;
          for (float logit : logits) {
            sum += Math.exp(logit);
          }
          assertEquals(expected[t - 1], logits[ids[t]] - Math.log(sum), 2e-5, "token " + t);
          decoding.append(new int[] {ids[t], 12});
        }
      }
    }
  }

  @Test
  void theFrozenMatricesOfVeraAreDrawnAsTorchDraws() throws IOException {
    Map<String, float[]> saved =
        new LinkedHashMap<>(Gradients.read(folder("vera-bert").resolve(AdapterFiles.WEIGHTS)));
    MethodConfig config = (MethodConfig) AdapterFiles.readConfig(folder("vera-bert"));
    try (Subject subject = new Subject(golden("vera-bert"))) {
      Adapter drawn = subject.adapted.add("a", config, 1);
      for (String key : List.of("vera_A", "vera_B")) {
        assertArrayEquals(saved.get(key), drawn.stored().get(key).toFloatArray(), 0, key);
      }
    }
  }

  @Test
  void kroneckerFactorsAreThoseOfPeft() {
    assertArrayEquals(new long[] {16, 16}, LokrMethod.factors(256, -1));
    assertArrayEquals(new long[] {8, 16}, LokrMethod.factors(128, -1));
    assertArrayEquals(new long[] {1, 127}, LokrMethod.factors(127, -1));
    assertArrayEquals(new long[] {4, 32}, LokrMethod.factors(128, 4));
    assertArrayEquals(new long[] {4, 12}, LokrMethod.factors(48, 5));
  }
}
