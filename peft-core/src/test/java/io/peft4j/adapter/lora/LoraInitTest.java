package io.peft4j.adapter.lora;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import com.fasterxml.jackson.databind.JsonNode;
import io.peft4j.Golden;
import io.peft4j.adapter.AdaptedModel;
import io.peft4j.adapter.AdapterFiles;
import io.peft4j.adapter.method.Adapter;
import io.peft4j.adapter.method.Floats;
import io.peft4j.adapter.target.ModuleSelector;
import io.peft4j.model.Fingerprint;
import io.peft4j.model.Model;
import io.peft4j.model.batch.TokenBatch;
import io.peft4j.model.load.LoadOptions;
import io.peft4j.model.module.Linear;
import io.peft4j.safetensors.SafetensorsFile;
import io.peft4j.torch.Precision;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** How factors start: from the base's weight as peft has it, or at random as peft draws it. */
class LoraInitTest {

  private static final String QUERY = "bert.encoder.layer.0.attention.self.query";

  @TempDir Path temp;

  static Stream<String> fromTheBase() {
    return Golden.folders("init", "").stream();
  }

  private static List<float[][]> logits(Model model, JsonNode golden) {
    List<float[][]> logits = new ArrayList<>();
    for (JsonNode test : Golden.json(golden.get("base").asText() + "/golden.json").get("cases")) {
      try (TokenBatch batch = Golden.batch(model, test.get("inputs"))) {
        logits.add(model.logits(batch));
      }
    }
    return logits;
  }

  private static double distance(List<float[][]> a, List<float[][]> b) {
    double largest = 0;
    for (int i = 0; i < a.size(); i++) {
      largest = Math.max(largest, Golden.distance(a.get(i), b.get(i)));
    }
    return largest;
  }

  private static List<float[][]> expected(JsonNode golden) {
    List<float[][]> logits = new ArrayList<>();
    golden.get("logits").properties().forEach(e -> logits.add(Golden.matrix(e.getValue())));
    return logits;
  }

  @ParameterizedTest
  @MethodSource("fromTheBase")
  void startsWhereTheBaseIsWithPeftsFactors(String name) throws IOException {
    JsonNode golden = Golden.json("init/" + name + "/golden.json");
    Path folder = Golden.path("init/" + name);
    try (Model model = Model.load(Golden.path(golden.get("base").asText()), LoadOptions.DEFAULT);
        AdaptedModel adapted = new AdaptedModel(model)) {
      String base = Fingerprint.ofParameters(model);
      List<float[][]> bare = logits(model, golden);
      Adapter adapter = adapted.add("a", AdapterFiles.readConfig(folder), 1);
      double moved = distance(bare, logits(model, golden));
      compareStart(model, adapter, folder);
      adapted.activate();
      assertEquals(0, distance(bare, logits(model, golden)), "deactivated it is the base");
      assertEquals(base, Fingerprint.ofParameters(model), "the base was not written to");
      System.out.printf(Locale.ROOT, "%s: at the start %.1e from the base%n", name, moved);
      assertTrue(moved < 3e-6, name + ": " + moved);
    }
  }

  private static void compareStart(Model model, Adapter adapter, Path folder) throws IOException {
    Map.Entry<Linear, ?> first =
        adapter.projections().entrySet().stream()
            .filter(e -> e.getKey().name().matches(".*\\.(query|q_lin)"))
            .findFirst()
            .orElseThrow();
    Linear query = first.getKey();
    try (SafetensorsFile start = SafetensorsFile.open(folder.resolve("start.safetensors"));
        NDManager scope = model.manager().newSubManager()) {
      NDArray a = adapter.tensors().get(query.name() + ".lora_A.weight");
      NDArray b = adapter.tensors().get(query.name() + ".lora_B.weight");
      try (NDArray product = b.matMul(a)) {
        assertArrayEquals(
            Floats.read(start, start.info("product")), product.toFloatArray(), 1e-5f, "B A");
      }
      assertArrayEquals(
          Floats.read(start, start.info("residual")),
          query.projection().weight(scope).toFloatArray(),
          1e-5f,
          "what the factors leave of the weight");
    }
  }

  @ParameterizedTest
  @MethodSource("fromTheBase")
  void peftsFolderGivesPeftsLogitsSavedAgainToo(String name) throws IOException {
    JsonNode golden = Golden.json("init/" + name + "/golden.json");
    try (Model model = Model.load(Golden.path(golden.get("base").asText()), LoadOptions.DEFAULT);
        AdaptedModel adapted = new AdaptedModel(model)) {
      List<float[][]> bare = logits(model, golden);
      adapted.load("a", Golden.path("init/" + name));
      double distance = distance(expected(golden), logits(model, golden));
      System.out.printf(Locale.ROOT, "%s: largest difference of logits %.1e%n", name, distance);
      assertTrue(distance < 1e-4, name + ": " + distance);
      adapted.save("a", temp, Map.of());
      adapted.delete("a");
      assertEquals(0, distance(bare, logits(model, golden)), "deleted it leaves the base");
      adapted.load("b", temp);
      assertTrue(distance(expected(golden), logits(model, golden)) < 1e-4);
      adapted.merge("b");
      assertTrue(distance(expected(golden), logits(model, golden)) < 1e-4, "merged");
      adapted.unmerge();
      adapted.activate();
      assertEquals(0, distance(bare, logits(model, golden)), "unmerged it is the base");
    }
  }

  /** Whichever comes first, both are in the merged weight. */
  @Test
  void mergesWithAnotherInEitherOrder() throws IOException {
    JsonNode golden = Golden.json("init/pissa/golden.json");
    try (Model model = Model.load(Golden.path("encoders/bert"), LoadOptions.DEFAULT);
        AdaptedModel adapted = new AdaptedModel(model)) {
      adapted.load("plain", Golden.path("lora/bert-plain"));
      adapted.load("pissa", Golden.path("init/pissa-rslora-patterns"));
      adapted.activate("plain", "pissa");
      List<float[][]> both = logits(model, golden);
      adapted.merge("plain", "pissa");
      assertTrue(distance(both, logits(model, golden)) < 1e-4);
      adapted.unmerge();
      adapted.merge("pissa", "plain");
      assertTrue(distance(both, logits(model, golden)) < 1e-4);
    }
  }

  private static float[] start(LoraInit init, int rank, String key, long seed) throws IOException {
    LoraConfig config =
        LoraConfig.builder().r(rank).loraAlpha(rank).targetModules("query").init(init).build();
    try (Model model = Model.load(Golden.path("encoders/bert"), LoadOptions.DEFAULT);
        AdaptedModel adapted = new AdaptedModel(model)) {
      return adapted.add("a", config, seed).tensors().get(QUERY + key).toFloatArray();
    }
  }

  private static double deviation(float[] values) {
    double mean = 0;
    double squares = 0;
    for (float value : values) {
      mean += value / values.length;
      squares += (double) value * value / values.length;
    }
    assertTrue(Math.abs(mean) < 0.1 * Math.sqrt(squares), "mean " + mean);
    return Math.sqrt(squares - mean * mean);
  }

  /** Kaiming's uniform distribution for a = √5 in ±1/√in, of which in is 32 here. */
  @Test
  void defaultIsUniformAndZero() throws IOException {
    float[] a = start(LoraInit.DEFAULT, 64, ".lora_A.weight", 5);
    double bound = 1 / Math.sqrt(32);
    double largest = 0;
    for (float value : a) {
      largest = Math.max(largest, Math.abs(value));
    }
    assertTrue(largest <= bound && largest > 0.98 * bound, "largest " + largest);
    assertEquals(bound / Math.sqrt(3), deviation(a), 0.05 * bound);
    for (float value : start(LoraInit.DEFAULT, 64, ".lora_B.weight", 5)) {
      assertEquals(0, value);
    }
    assertArrayEquals(a, start(LoraInit.DEFAULT, 64, ".lora_A.weight", 5), "the seed decides");
    assertTrue(a[0] != start(LoraInit.DEFAULT, 64, ".lora_A.weight", 6)[0]);
  }

  @Test
  void gaussianIsNormalWithDeviationOneOverRank() throws IOException {
    float[] a = start(LoraInit.GAUSSIAN, 64, ".lora_A.weight", 5);
    assertEquals(1 / 64.0, deviation(a), 0.05 / 64);
    long beyond = 0;
    for (float value : a) {
      beyond += Math.abs(value) > 2 / 64.0 ? 1 : 0;
    }
    assertEquals(0.0455, (double) beyond / a.length, 0.02, "beyond two deviations");
    for (float value : start(LoraInit.GAUSSIAN, 64, ".lora_B.weight", 5)) {
      assertEquals(0, value);
    }
  }

  @Test
  void falseMakesBothRandom() throws IOException {
    deviation(start(LoraInit.RANDOM, 64, ".lora_A.weight", 5));
    float[] b = start(LoraInit.RANDOM, 64, ".lora_B.weight", 5);
    // uniform in ±1/√r
    assertEquals(1 / 8.0 / Math.sqrt(3), deviation(b), 0.05 / 8);
  }

  /** In bfloat16 the residual is rounded to it, so the start is near the base, not at it. */
  @ParameterizedTest
  @EnumSource(
      value = LoraInit.class,
      names = {"PISSA", "OLORA"})
  void worksOnABfloat16Base(LoraInit init) throws IOException {
    JsonNode golden = Golden.json("init/pissa/golden.json");
    LoraConfig config =
        LoraConfig.builder().r(4).targetModules(ModuleSelector.allLinear()).init(init).build();
    try (Model model =
            Model.load(
                Golden.path("encoders/bert"),
                LoadOptions.DEFAULT.withPrecision(Precision.BFLOAT16));
        AdaptedModel adapted = new AdaptedModel(model)) {
      List<float[][]> bare = logits(model, golden);
      adapted.add("a", config, 1);
      double moved = distance(bare, logits(model, golden));
      assertTrue(moved < 0.1, init + ": " + moved);
      adapted.delete("a");
      assertEquals(0, distance(bare, logits(model, golden)));
    }
  }
}
