package io.peft4j.adapter;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.peft4j.Golden;
import io.peft4j.ParityTable;
import io.peft4j.adapter.lora.LoraConfig;
import io.peft4j.adapter.method.Adapter;
import io.peft4j.adapter.method.MethodConfig;
import io.peft4j.model.Decoding;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Stacks, averages and fusions of bottlenecks, and UniPELT, are those of the adapters library, in
 * its files.
 */
class CompositionParityTest {

  private static final ObjectMapper JSON = new ObjectMapper();

  private static final ParityTable TABLE =
      new ParityTable(
          "compositions",
          "Compositions and UniPELT against the adapters library",
          "adapters",
          "base",
          "logits",
          "loss",
          "gradients",
          "gradients, recomputed",
          "saved again");

  @AfterAll
  static void write() throws IOException {
    TABLE.write();
  }

  @TempDir Path temp;

  static Stream<String> compositions() {
    return Golden.folders("compositions", "").stream();
  }

  static Stream<String> fusions() {
    return compositions().filter(name -> name.startsWith("fuse"));
  }

  private static Path folder(String name) {
    return Golden.path("compositions/" + name);
  }

  private static JsonNode golden(String name) {
    return Golden.json("compositions/" + name + "/golden.json");
  }

  /** {@return the bottlenecks' names} */
  private static List<String> load(Subject subject, String name) throws IOException {
    List<String> names = new ArrayList<>();
    for (JsonNode adapter : subject.golden.get("adapters")) {
      names.add(adapter.asText());
      subject.adapted.load(adapter.asText(), folder(name).resolve(adapter.asText()));
    }
    return names;
  }

  /** {@return what acts, of which some is trained} */
  private static AdapterMix compose(Subject subject, String name) throws IOException {
    List<String> names = load(subject, name);
    switch (subject.golden.get("composition").asText()) {
      case "fuse" -> {
        String fused = String.join(",", names);
        subject.adapted.load(fused, folder(name).resolve(fused));
        names.add(fused);
      }
      case "average" -> {
        MethodConfig config =
            MethodConfig.of("AVERAGE")
                .with("adapter_names", names)
                .with("weights", subject.golden.get("weights"));
        subject.adapted.add("average", config, 0);
        names.add("average");
      }
      default -> {}
    }
    AdapterMix mix = new AdapterMix(subject.adapted, names);
    mix.activate();
    return mix;
  }

  private static Map<String, float[]> takeGradients(AdapterMix mix) {
    Map<String, float[]> gradients = new TreeMap<>();
    for (Adapter adapter : mix.adapters().values()) {
      if (mix.tensors().values().containsAll(adapter.tensors().values())) {
        gradients.putAll(shown(Gradients.take(adapter)));
      }
    }
    return gradients;
  }

  /** A softmax does not see the bias of its keys, whose gradient is rounding only. */
  private static Map<String, float[]> shown(Map<String, float[]> gradients) {
    Map<String, float[]> shown = new TreeMap<>(gradients);
    gradients.forEach(
        (key, values) -> {
          if (key.endsWith(".key.bias")) {
            assertArrayEquals(new float[values.length], values, 1e-5f, key);
            shown.remove(key);
          }
        });
    return shown;
  }

  @ParameterizedTest
  @MethodSource("compositions")
  void outputsAndGradientsAreTheLibrarys(String name) throws IOException {
    try (Subject subject = new Subject(golden(name))) {
      AdapterMix mix = compose(subject, name);
      double distance = subject.lm == null ? subject.distance() : 0;
      assertTrue(distance < 2e-5, "logits: " + distance);
      assertEquals(subject.golden.get("trainable").asLong(), mix.parameterCount());
      mix.setTrainable(true);
      if (mix.parameterCount() == 0) {
        subject.adapted.adapter("a").setTrainable(true); // for the loss
      }
      Path expected = folder(name).resolve("grads.safetensors");
      for (boolean recompute : new boolean[] {false, true}) {
        double loss = subject.backward(recompute);
        double relative = Math.abs(loss / subject.golden.get("loss").asDouble() - 1);
        assertTrue(relative < 1e-5, "loss: " + relative);
        TABLE.put(name, "base", subject.golden.get("base").asText());
        if (subject.lm == null) {
          TABLE.put(name, "logits", distance);
        }
        TABLE.put(name, "loss", relative);
        if (mix.parameterCount() == 0) {
          continue;
        }
        double gradients = Gradients.distance(takeGradients(mix), shown(Gradients.read(expected)));
        TABLE.put(name, recompute ? "gradients, recomputed" : "gradients", gradients);
        assertTrue(gradients < 1e-4, "gradients: " + gradients);
      }
    }
  }

  @ParameterizedTest
  @MethodSource("compositions")
  void savedAgainTheFilesHoldTheSame(String name) throws IOException {
    try (Subject subject = new Subject(golden(name))) {
      AdapterMix mix = compose(subject, name);
      for (String adapter : mix.adapters().keySet()) {
        if (adapter.equals("average")) {
          continue; // the library has no file of it
        }
        subject.adapted.save(adapter, Files.createDirectories(temp.resolve(adapter)), Map.of());
        try (Stream<Path> files = Files.list(folder(name).resolve(adapter))) {
          for (Path file : files.toList()) {
            Path again = temp.resolve(adapter).resolve(file.getFileName());
            if (file.toString().endsWith(".json")) {
              assertEquals(JSON.readTree(file.toFile()), JSON.readTree(again.toFile()), "" + file);
            } else {
              Map<String, float[]> tensors = Gradients.read(file);
              Map<String, float[]> found = Gradients.read(again);
              assertEquals(tensors.keySet(), found.keySet());
              tensors.forEach((key, value) -> assertArrayEquals(value, found.get(key), key));
            }
          }
        }
      }
      TABLE.put(name, "saved again", "the same");
    }
  }

  @ParameterizedTest
  @MethodSource("compositions")
  void aMixIsWhatItWasWhenLoadedAgain(String name) throws IOException {
    try (Subject subject = new Subject(golden(name));
        Subject other = new Subject(golden(name))) {
      compose(subject, name).save(temp, Map.of());
      AdapterMix.load(other.adapted, temp);
      if (other.lm == null) {
        assertTrue(other.distance() < 2e-5, "logits: " + other.distance());
      } else {
        var sequences = List.of(subject.lm.sequence(new int[] {5, 9, 13, 4, 77}));
        assertArrayEquals(
            subject.lm.logProbs(sequences)[0], other.lm.logProbs(sequences)[0], 1e-6f);
      }
    }
  }

  /** The library's gates see padding; here no example sees another. */
  @ParameterizedTest
  @ValueSource(strings = {"unipelt-bert", "unipelt-llama", "prefixes-bert", "prefixes-llama"})
  void packedAGateIsOfItsExample(String name) throws IOException {
    int[][] ids = {{5, 9, 13, 4, 77}, {44, 9, 8}, {2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14}};
    try (Subject subject = new Subject(golden(name))) {
      float[][] bare = subject.run(ids);
      compose(subject, name);
      float[][] packed = subject.run(ids);
      for (int i = 0; i < ids.length; i++) {
        assertArrayEquals(subject.run(ids[i])[0], packed[i], 1e-5f);
      }
      assertTrue(Golden.distance(bare, packed) > 1e-2, "the adapters show");
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"unipelt-llama", "prefixes-llama"})
  void aGateIsOfItsPrompt(String name) throws IOException {
    List<int[]> prompts = List.of(new int[] {5, 9, 13, 4, 77}, new int[] {44, 9, 8});
    try (Subject subject = new Subject(golden(name))) {
      compose(subject, name);
      try (Decoding together = subject.lm.start(prompts)) {
        for (int i = 0; i < prompts.size(); i++) {
          try (Decoding alone = subject.lm.start(prompts.subList(i, i + 1))) {
            assertArrayEquals(alone.logits()[0], together.logits()[i], 1e-5f);
          }
        }
      }
    }
  }

  @Test
  void whatIsNotSupportedIsRefused() throws IOException {
    try (Subject subject = new Subject(golden("lora-bert"))) {
      for (MethodConfig config :
          List.of(
              MethodConfig.of("GATED_LORA").with("intermediate_lora", true),
              MethodConfig.of("GATED_LORA").with("composition_mode", "scale"),
              MethodConfig.of("GATED_LORA").with("attn_matrices", List.of("x")),
              MethodConfig.of("GATED_PREFIX").with("leave_out", List.of(1)),
              MethodConfig.of("GATED_PREFIX").with("dropout", 0.1))) {
        String key = config.toJson().toString();
        String message =
            assertThrows(
                    IllegalArgumentException.class, () -> subject.adapted.add("refused", config, 1))
                .getMessage();
        assertTrue(message.startsWith("'"), key + ": " + message);
      }
    }
    try (Subject subject = new Subject(Golden.json("methods/ia3-gpt2/golden.json"))) {
      String message =
          assertThrows(
                  IllegalArgumentException.class,
                  () -> subject.adapted.add("a", MethodConfig.of("GATED_LORA"), 1))
              .getMessage();
      assertTrue(message.contains("model_type gpt2"), message);
    }
  }

  @ParameterizedTest
  @MethodSource("fusions")
  void regularizationIsTheLibrarys(String name) throws IOException {
    try (Subject subject = new Subject(golden(name))) {
      AdapterMix mix = compose(subject, name);
      mix.setTrainable(true);
      double expected = subject.golden.get("regularization").asDouble();
      assertEquals(expected, mix.beforeUpdate(), 1e-5 * Math.max(1, expected));
      mix.tensors()
          .forEach(
              (key, value) -> {
                if (key.contains("value.weight") && expected > 0) {
                  float[] weight = value.toFloatArray();
                  int width = (int) value.getShape().get(0);
                  float[] gradient = value.getGradient().toFloatArray();
                  for (int i = 0; i < weight.length; i++) {
                    double identity = i % (width + 1) == 0 ? 1 : 0;
                    assertEquals(0.02 * (weight[i] - identity), gradient[i], 1e-6, key);
                  }
                }
              });
    }
  }

  @Test
  void whatIsFusedIsFrozenAndCannotGo() throws IOException {
    try (Subject subject = new Subject(golden("fuse-bert"))) {
      AdapterMix mix = compose(subject, "fuse-bert");
      mix.setTrainable(true);
      assertTrue(
          mix.adapters().get("a").tensors().values().stream().noneMatch(t -> t.hasGradient()));
      assertTrue(mix.tensors().keySet().stream().noneMatch(key -> key.contains(".adapters.")));
      String message =
          assertThrows(IllegalArgumentException.class, () -> subject.adapted.delete("a"))
              .getMessage();
      assertEquals("delete 'a,b' first, which uses 'a'", message);
      assertThrows(IllegalArgumentException.class, () -> subject.adapted.merge("a,b"));
      subject.adapted.delete("a,b");
      subject.adapted.delete("a");
      assertFalse(subject.adapted.adapters().containsKey("a"));
    }
  }

  @Test
  void fusionNeedsItsBottlenecks() throws IOException {
    try (Subject subject = new Subject(golden("fuse-bert"))) {
      Path fusion = folder("fuse-bert").resolve("a,b");
      String message =
          assertThrows(IllegalArgumentException.class, () -> subject.adapted.load("fusion", fusion))
              .getMessage();
      assertTrue(message.contains("no adapter named 'a'"), message);
      load(subject, "fuse-bert");
      subject.adapted.add("lora", LoraConfig.builder().build(), 1);
      MethodConfig mixed = MethodConfig.of("FUSION").with("adapter_names", List.of("a", "lora"));
      message =
          assertThrows(
                  IllegalArgumentException.class, () -> subject.adapted.add("fusion", mixed, 1))
              .getMessage();
      assertEquals("[a, lora] should all be bottlenecks with a place in common", message);
      // As the library has it, each reads what the last one reads, so one of them is none.
      MethodConfig alone = MethodConfig.of("FUSION").with("adapter_names", List.of("a"));
      assertThrows(IllegalArgumentException.class, () -> subject.adapted.add("f", alone, 1));
    }
  }

  @Test
  void aNewFusionBeginsAsTheMeanOfItsBottlenecks() throws IOException {
    try (Subject subject = new Subject(golden("fuse-bert"))) {
      List<String> names = load(subject, "fuse-bert");
      MethodConfig config =
          MethodConfig.of("FUSION")
              .with("adapter_names", names)
              .with("key", false)
              .with("query", false);
      Adapter fusion = subject.adapted.add("fusion", config, 1);
      assertEquals(2 * 32 * 32, fusion.parameterCount());
      fusion
          .tensors()
          .forEach(
              (key, value) -> {
                assertEquals(1, value.getFloat(3, 3), key);
                assertEquals(1e-6f, value.getFloat(3, 4), key);
              });
    }
  }
}
