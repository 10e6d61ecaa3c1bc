package io.peft4j.adapter;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.ndarray.NDManager;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.Golden;
import io.peft4j.ParityTable;
import io.peft4j.adapter.method.Adapter;
import io.peft4j.adapter.method.Floats;
import io.peft4j.model.Model;
import io.peft4j.model.batch.TokenBatch;
import io.peft4j.model.load.LoadOptions;
import io.peft4j.model.module.Embedding;
import io.peft4j.model.module.Linear;
import io.peft4j.model.module.Module;
import io.peft4j.safetensors.SafetensorsFile;
import io.peft4j.safetensors.TensorInfo;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Adapters that HF peft saved: same logits, same merged weights, same files when saved again. */
class LoraParityTest {

  private static final ParityTable TABLE =
      new ParityTable(
          "lora-encoders",
          "LoRA on encoders against peft",
          "adapter",
          "logits",
          "merged",
          "saved again");

  @AfterAll
  static void write() throws IOException {
    TABLE.write();
  }

  @TempDir Path temp;

  /** All but the adapter of a headless encoder, which has no logits. */
  static Stream<String> adapters() {
    return Golden.folders("lora", "").stream()
        .filter(name -> !name.startsWith("pair-") && !name.equals("bert-bare"));
  }

  static Stream<String> files() {
    return Stream.concat(adapters(), Stream.of("bert-bare"));
  }

  static Stream<String> pairs() {
    return Golden.folders("lora", "pair-").stream();
  }

  private static Model base(JsonNode golden) throws IOException {
    return Model.load(Golden.path(golden.get("base").asText()), LoadOptions.DEFAULT);
  }

  private static Map<String, float[][]> logits(Model model, JsonNode golden) {
    Map<String, float[][]> logits = new LinkedHashMap<>();
    for (JsonNode test : Golden.json(golden.get("base").asText() + "/golden.json").get("cases")) {
      try (TokenBatch batch = Golden.batch(model, test.get("inputs"))) {
        logits.put(test.get("name").asText(), model.logits(batch));
      }
    }
    return logits;
  }

  private static double distance(JsonNode expected, Map<String, float[][]> found) {
    double largest = 0;
    int cases = 0;
    for (Map.Entry<String, JsonNode> entry : expected.properties()) {
      double distance = Golden.distance(Golden.matrix(entry.getValue()), found.get(entry.getKey()));
      largest = Math.max(largest, distance);
      cases++;
    }
    assertTrue(cases > 0);
    return largest;
  }

  @ParameterizedTest
  @MethodSource("adapters")
  void logitsEqualPeft(String name) throws IOException {
    JsonNode golden = Golden.json("lora/" + name + "/golden.json");
    try (Model model = base(golden);
        AdaptedModel adapted = new AdaptedModel(model)) {
      Adapter adapter = adapted.load("a", Golden.path("lora/" + name));
      double distance = distance(golden.get("logits"), logits(model, golden));
      TABLE.put(name, "logits", distance);
      assertTrue(distance < 1e-5, name + ": " + distance);
      assertEquals(golden.get("trainable").asLong(), adapter.parameterCount());
    }
  }

  @ParameterizedTest
  @MethodSource("adapters")
  void mergedIsTheSameAndUnmergedIsTheBase(String name) throws IOException {
    JsonNode golden = Golden.json("lora/" + name + "/golden.json");
    try (Model model = base(golden);
        AdaptedModel adapted = new AdaptedModel(model)) {
      Map<String, float[][]> bare = logits(model, golden);
      adapted.load("a", Golden.path("lora/" + name));
      adapted.merge("a");
      double distance = distance(golden.get("logits"), logits(model, golden));
      TABLE.put(name, "merged", distance);
      assertTrue(distance < 1e-4, name + " merged: " + distance);
      Path merged = Golden.path("lora/" + name).resolve("merged.safetensors");
      if (Files.exists(merged)) {
        compareMerged(model, merged);
      }
      adapted.unmerge();
      adapted.activate();
      Map<String, float[][]> again = logits(model, golden);
      bare.forEach((test, rows) -> assertEquals(0, Golden.distance(rows, again.get(test)), test));
    }
  }

  private static void compareMerged(Model model, Path merged) throws IOException {
    int compared = 0;
    try (SafetensorsFile file = SafetensorsFile.open(merged);
        NDManager scope = model.manager().newSubManager()) {
      for (TensorInfo info : file.tensors().values()) {
        Module module = model.modules().leaf(info.name().replaceFirst("\\.(weight|bias)$", ""));
        float[] found;
        if (module instanceof Linear linear && info.name().endsWith(".weight")) {
          found = linear.projection().weight(scope).toFloatArray();
        } else if (module instanceof Linear linear) {
          found = linear.projection().bias().value().toFloatArray();
        } else {
          found = ((Embedding) module).weight().value().toFloatArray();
        }
        assertArrayEquals(Floats.read(file, info), found, 1e-5f, info.name());
        compared++;
      }
    }
    assertTrue(compared > 0);
  }

  @ParameterizedTest
  @MethodSource("files")
  void savedAgainTheFilesAreTheSame(String name) throws IOException {
    JsonNode golden = Golden.json("lora/" + name + "/golden.json");
    Path original = Golden.path("lora/" + name);
    try (Model model = base(golden);
        AdaptedModel adapted = new AdaptedModel(model)) {
      adapted.load("a", original);
      adapted.save("a", temp, Map.of());
    }
    // peft adds two copies of the classifier's bias there, which it never reads.
    if (!name.equals("bert-bias-all-seq-cls")) {
      assertArrayEquals(
          Files.readAllBytes(original.resolve(AdapterFiles.WEIGHTS)),
          Files.readAllBytes(temp.resolve(AdapterFiles.WEIGHTS)),
          "tensor file");
    }
    ObjectMapper json = new ObjectMapper();
    assertEquals(
        sorted(json.readTree(original.resolve(AdapterFiles.CONFIG).toFile())),
        sorted(json.readTree(temp.resolve(AdapterFiles.CONFIG).toFile())));
    TABLE.put(name, "saved again", "the same");
  }

  /** peft writes target_modules in the order of a Python set, and takes a list of one bare. */
  private static JsonNode sorted(JsonNode json) {
    ObjectNode config = (ObjectNode) json;
    for (String key : List.of("layers_to_transform", "layers_pattern")) {
      if (config.get(key).isValueNode() && !config.get(key).isNull()) {
        JsonNode only = config.get(key);
        config.putArray(key).add(only);
      }
    }
    JsonNode targets = config.get("target_modules");
    if (targets.isArray()) {
      List<String> names =
          Stream.iterate(0, i -> i < targets.size(), i -> i + 1)
              .map(i -> targets.get(i).asText())
              .sorted()
              .toList();
      config.put("target_modules", names.toString());
    }
    return config;
  }

  @ParameterizedTest
  @MethodSource("pairs")
  void severalAdaptersActLikePefts(String name) throws IOException {
    JsonNode golden = Golden.json("lora/" + name + "/golden.json");
    try (Model model = base(golden);
        AdaptedModel adapted = new AdaptedModel(model)) {
      Map<String, float[][]> bare = logits(model, golden);
      adapted.load("a", Golden.path("lora/" + name + "/a"));
      adapted.load("b", Golden.path("lora/" + name + "/b"));
      adapted.activate("a");
      check(golden, "a", model);
      adapted.activate("b");
      check(golden, "b", model);
      adapted.activate("a", "b");
      check(golden, "ab", model);
      adapted.delete("a");
      check(golden, "b", model);
      adapted.delete("b");
      Map<String, float[][]> again = logits(model, golden);
      bare.forEach((test, rows) -> assertEquals(0, Golden.distance(rows, again.get(test)), test));
    }
  }

  private static void check(JsonNode golden, String active, Model model) {
    double distance = distance(golden.get("logits").get(active), logits(model, golden));
    System.out.printf(
        Locale.ROOT, "active %s: largest difference of logits %.1e%n", active, distance);
    assertTrue(distance < 1e-5, active + ": " + distance);
  }

  @ParameterizedTest
  @MethodSource("pairs")
  void severalMergeLikePefts(String name) throws IOException {
    JsonNode golden = Golden.json("lora/" + name + "/golden.json");
    Path merged = Golden.path("lora/" + name).resolve("merged.safetensors");
    try (Model model = base(golden);
        AdaptedModel adapted = new AdaptedModel(model);
        SafetensorsFile file = SafetensorsFile.open(merged);
        NDManager scope = model.manager().newSubManager()) {
      adapted.load("a", Golden.path("lora/" + name + "/a"));
      adapted.load("b", Golden.path("lora/" + name + "/b"));
      Linear query = (Linear) model.modules().leaf("bert.encoder.layer.0.attention.self.query");
      for (String names : List.of("a", "b", "ab")) {
        adapted.merge(names.split(""));
        assertArrayEquals(
            Floats.read(file, file.info(names)),
            query.projection().weight(scope).toFloatArray(),
            1e-5f,
            names);
        adapted.unmerge();
      }
    }
  }
}
