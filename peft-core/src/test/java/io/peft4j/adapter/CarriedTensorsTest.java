package io.peft4j.adapter;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.ndarray.NDArray;
import com.fasterxml.jackson.databind.JsonNode;
import io.peft4j.Golden;
import io.peft4j.adapter.compose.AdapterAlgebra;
import io.peft4j.adapter.compose.Combination;
import io.peft4j.adapter.lora.LoraConfig;
import io.peft4j.adapter.lora.LoraInit;
import io.peft4j.adapter.method.Adapter;
import io.peft4j.model.CausalLm;
import io.peft4j.model.Model;
import io.peft4j.model.ModelExport;
import io.peft4j.model.batch.TokenBatch;
import io.peft4j.model.batch.TokenSequence;
import io.peft4j.model.load.LoadOptions;
import io.peft4j.model.load.ModelConfig;
import io.peft4j.safetensors.DType;
import io.peft4j.safetensors.SafetensorsFile;
import io.peft4j.safetensors.SafetensorsWriter;
import io.peft4j.safetensors.TensorSource;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Tensors of the base in adapters' files, and tied factors: as peft takes them. */
class CarriedTensorsTest {

  @TempDir Path temporary;

  static Stream<String> cases() {
    return Golden.folders("carried", "").stream();
  }

  /** A model of either kind. */
  private record Base(Model model, CausalLm lm) implements AutoCloseable {
    static Base load(Path folder, boolean lm) throws IOException {
      CausalLm loaded = lm ? CausalLm.load(folder, LoadOptions.DEFAULT) : null;
      return new Base(lm ? loaded.model() : Model.load(folder, LoadOptions.DEFAULT), loaded);
    }

    float[][] run(int[][] ids) {
      List<TokenSequence> sequences =
          Arrays.stream(ids)
              .map(row -> lm == null ? model.sequence(row, null) : lm.sequence(row))
              .toList();
      if (lm != null) {
        return lm.logProbs(sequences);
      }
      try (TokenBatch batch = model.batch(sequences)) {
        return model.logits(batch);
      }
    }

    @Override
    public void close() {
      model.close();
    }
  }

  private static Path folder(String name) {
    return Golden.path("carried/" + name);
  }

  private static JsonNode golden(String name) {
    return Golden.json("carried/" + name + "/golden.json");
  }

  private static Base base(JsonNode golden) throws IOException {
    return Base.load(Golden.path(golden.get("base").asText()), golden.has("log_probs"));
  }

  private static int[][] inputs(JsonNode golden) {
    int[][] rows = new int[golden.get("inputs").size()][];
    for (int i = 0; i < rows.length; i++) {
      rows[i] = Golden.ints(golden.get("inputs").get(i));
    }
    return rows;
  }

  /** What the base knows of them. */
  private static int[][] known(JsonNode golden, Base base) {
    int last = base.model.config().vocabularySize() - 1;
    return Arrays.stream(inputs(golden))
        .map(row -> Arrays.stream(row).map(id -> Math.min(id, last)).toArray())
        .toArray(int[][]::new);
  }

  private static float[][] expected(JsonNode golden) {
    return Golden.matrix(golden.get(golden.has("log_probs") ? "log_probs" : "logits"));
  }

  private static void assertNear(float[][] expected, float[][] found) {
    double distance = Golden.distance(expected, found);
    assertTrue(distance < 1e-4, "differs by " + distance);
  }

  @ParameterizedTest
  @MethodSource("cases")
  void actsAsInPeftAndLeavesTheBaseAlone(String name) throws IOException {
    JsonNode golden = golden(name);
    try (Base base = base(golden);
        AdaptedModel adapted = new AdaptedModel(base.model)) {
      int size = base.model.vocabularySize();
      float[][] before = base.run(known(golden, base));
      assertNear(Golden.matrix(golden.get("without")), before);
      adapted.load("a", folder(name));
      assertEquals(golden.get("vocabulary").asInt(), base.model.vocabularySize());
      float[][] with = base.run(inputs(golden));
      assertNear(expected(golden), with);
      adapted.activate();
      assertEquals(size, base.model.vocabularySize());
      assertArrayEquals(before, base.run(known(golden, base)));
      adapted.activate("a");
      assertArrayEquals(with, base.run(inputs(golden)));
      adapted.delete("a");
      assertArrayEquals(before, base.run(known(golden, base)));
    }
  }

  @ParameterizedTest
  @MethodSource("cases")
  void isSavedAgainWithAllItHas(String name) throws IOException {
    JsonNode golden = golden(name);
    try (Base base = base(golden);
        AdaptedModel adapted = new AdaptedModel(base.model)) {
      Adapter adapter = adapted.load("a", folder(name));
      float[][] with = base.run(inputs(golden));
      adapted.save("a", temporary, Map.of());
      assertTrue(
          AdapterFiles.readShapes(temporary).keySet().containsAll(adapter.carriedTensors()),
          adapter.carriedTensors().toString());
      assertEquals(
          AdapterFiles.readConfig(folder(name)).toJson().get("target_modules"),
          AdapterFiles.readConfig(temporary).toJson().get("target_modules"));
      adapted.load("b", temporary);
      assertArrayEquals(with, base.run(inputs(golden)));
      adapted.restore("a", temporary);
      adapted.activate("a");
      assertArrayEquals(with, base.run(inputs(golden)));
    }
  }

  @ParameterizedTest
  @MethodSource("cases")
  void mergesAndIsExported(String name) throws IOException {
    JsonNode golden = golden(name);
    try (Base base = base(golden);
        AdaptedModel adapted = new AdaptedModel(base.model)) {
      float[][] before = base.run(known(golden, base));
      adapted.load("a", folder(name));
      adapted.merge("a");
      assertNear(expected(golden), base.run(inputs(golden)));
      ModelExport.write(base.model, temporary);
      adapted.unmerge();
      adapted.activate();
      assertArrayEquals(before, base.run(known(golden, base)));
    }
    assertEquals(
        golden.get("vocabulary").asInt(), ModelConfig.read(temporary).vocabularySize(), "config");
    // bfloat16 weights are written as such
    double tolerance = golden.get("base").asText().endsWith("bf16") ? 0.1 : 1e-4;
    try (Base merged = Base.load(temporary, golden.has("log_probs"))) {
      double distance = Golden.distance(expected(golden), merged.run(inputs(golden)));
      assertTrue(distance < tolerance, "differs by " + distance);
    }
  }

  @Test
  void mergingAdaptersThatEachTrainedOneModuleIsRefused() throws IOException {
    LoraConfig config = LoraConfig.builder().targetModules("query").taskType("SEQ_CLS").build();
    try (Base base = Base.load(Golden.path("encoders/bert"), false);
        AdaptedModel adapted = new AdaptedModel(base.model)) {
      adapted.add("a", config, 1);
      adapted.add("b", config, 2);
      adapted.add("c", config.toBuilder().taskType(null).build(), 3);
      var e = assertThrows(IllegalArgumentException.class, () -> adapted.merge("a", "c", "b"));
      assertTrue(
          e.getMessage().startsWith("'a' and 'b' both come with their own classifier.weight"),
          e.getMessage());
      adapted.merge("a", "c");
    }
  }

  @Test
  void whatIsTiedStaysTiedInAMergedCheckpoint() throws IOException {
    for (String name :
        List.of("tied-saved", "tied-targeted", "tied-targeted-grown", "plain-tied")) {
      try (Base base = base(golden(name));
          AdaptedModel adapted = new AdaptedModel(base.model)) {
        adapted.load("a", folder(name));
        adapted.merge("a");
        ModelExport.write(base.model, temporary);
        assertTrue(ModelConfig.read(temporary).json().get("tie_word_embeddings").asBoolean(), name);
      }
    }
  }

  @Test
  void switchingBetweenAdaptersRestoresEachOnesTables() throws IOException {
    try (Base base = base(golden("grown"));
        AdaptedModel adapted = new AdaptedModel(base.model)) {
      List<String> names = List.of("grown", "plain", "targeted-grown", "targeted", "pissa");
      List<float[][]> outputs = new ArrayList<>();
      for (String name : names) {
        adapted.load(name, folder(name));
        outputs.add(base.run(inputs(golden(name))));
        assertNear(expected(golden(name)), outputs.get(outputs.size() - 1));
      }
      for (int i = 0; i < names.size(); i++) {
        adapted.activate(names.get(i));
        assertArrayEquals(outputs.get(i), base.run(inputs(golden(names.get(i)))));
      }
      for (List<String> pair : List.of(List.of("grown", "plain"), List.of("pissa", "grown"))) {
        String[] both = pair.toArray(String[]::new);
        var e = assertThrows(IllegalArgumentException.class, () -> adapted.activate(both));
        assertTrue(e.getMessage().contains("do not go together"), e.getMessage());
        assertThrows(IllegalArgumentException.class, () -> adapted.merge(both));
        assertThrows(IllegalArgumentException.class, () -> new AdapterMix(adapted, pair));
      }
      var e =
          assertThrows(
              IllegalArgumentException.class,
              () ->
                  AdapterAlgebra.combine(
                      adapted,
                      "sum",
                      Map.of("grown", 1.0, "plain", 1.0),
                      Combination.of(Combination.Type.CAT)));
      assertTrue(e.getMessage().contains("cannot be combined"), e.getMessage());
    }
  }

  /** Writes an adapter's file with some tensors made others. */
  private Path changed(String name, UnaryOperator<TensorSource> change) throws IOException {
    Files.copy(folder(name).resolve(AdapterFiles.CONFIG), temporary.resolve(AdapterFiles.CONFIG));
    try (SafetensorsFile file = SafetensorsFile.open(folder(name).resolve(AdapterFiles.WEIGHTS))) {
      List<TensorSource> sources = new ArrayList<>();
      for (String tensor : file.tensors().keySet()) {
        TensorSource source = change.apply(file.source(tensor));
        if (source != null) {
          sources.add(source);
        }
      }
      SafetensorsWriter.write(temporary.resolve(AdapterFiles.WEIGHTS), sources, Map.of());
    }
    return temporary;
  }

  private static TensorSource zeros(TensorSource source) {
    long elements = source.shape().stream().mapToLong(Long::longValue).reduce(1, (a, b) -> a * b);
    return TensorSource.of(
        source.name(),
        DType.F32,
        source.shape(),
        java.nio.ByteBuffer.allocate(Math.toIntExact(Float.BYTES * elements)));
  }

  private void assertRefused(String name, String tensor, boolean dropped, String... parts)
      throws IOException {
    Path folder =
        changed(
            name,
            source -> !source.name().endsWith(tensor) ? source : dropped ? null : zeros(source));
    try (Base base = base(golden(name));
        AdaptedModel adapted = new AdaptedModel(base.model)) {
      var e = assertThrows(IllegalArgumentException.class, () -> adapted.load("a", folder));
      for (String part : parts) {
        assertTrue(e.getMessage().contains(part), e.getMessage());
      }
      assertTrue(adapted.adapters().isEmpty());
      assertNear(Golden.matrix(golden(name).get("without")), base.run(known(golden(name), base)));
    }
  }

  @Test
  void secondCopyThatDiffersIsRefused() throws IOException {
    assertRefused(
        "grown-saved",
        "embed_tokens.modules_to_save.weight",
        false,
        "model.embed_tokens.modules_to_save.weight");
  }

  @Test
  void tiedFactorsThatDifferAreRefused() throws IOException {
    assertRefused("tied-targeted", "lm_head.lora_A.weight", false, "lm_head.lora_A.weight", "tied");
  }

  @Test
  void tiedTablesThatDifferAreRefused() throws IOException {
    assertRefused(
        "plain-tied", ".lm_head.weight", false, "lm_head.weight", "model.embed_tokens.weight");
  }

  @Test
  void largerTableWithoutItsHeadIsRefused() throws IOException {
    assertRefused("grown", ".lm_head.weight", true, "126", "120");
  }

  @Test
  void tensorOfAModuleThatIsNotAdaptedIsRefused() throws IOException {
    Path folder =
        changed(
            "plain",
            source ->
                source.name().endsWith(".lm_head.weight")
                    ? new TensorSource(
                        "base_model.model.lm_head.base_layer.weight",
                        source.dtype(),
                        source.shape(),
                        source.content())
                    : source);
    try (Base base = base(golden("plain"));
        AdaptedModel adapted = new AdaptedModel(base.model)) {
      var e = assertThrows(IllegalArgumentException.class, () -> adapted.load("a", folder));
      assertTrue(e.getMessage().contains("lm_head.base_layer.weight"), e.getMessage());
    }
  }

  @Test
  void tiedFactorsAreTrainedByBothTheirUses() throws IOException {
    for (List<String> names : List.of(List.of("embed_tokens"), List.of("q_proj", "lm_head"))) {
      for (boolean saved : new boolean[] {false, true}) {
        LoraConfig.Builder config = LoraConfig.builder().r(3).init(LoraInit.RANDOM);
        config =
            saved
                ? config.targetModules("q_proj").modulesToSave(List.of(names.get(names.size() - 1)))
                : config.targetModules(names.toArray(String[]::new));
        trainTied(config.taskType("CAUSAL_LM").ensureWeightTying(true).build());
      }
    }
  }

  /** The gradient is that of the loss under a change of the one tensor there is. */
  private void trainTied(LoraConfig config) throws IOException {
    JsonNode golden = golden("tied-saved");
    try (Base base = base(golden);
        AdaptedModel adapted = new AdaptedModel(base.model)) {
      Adapter adapter = adapted.add("a", config, 3);
      assertTrue(adapter.tensors().keySet().stream().noneMatch(key -> key.startsWith("lm_head")));
      List<TokenSequence> sequences = Arrays.stream(inputs(golden)).map(base.lm::sequence).toList();
      try (TokenBatch batch = base.model.batch(sequences)) {
        base.model.forwardBackward(batch, null, 1, 5, false);
        String key =
            adapter.tensors().keySet().stream()
                .filter(name -> name.matches(".*(lora_embedding_B|embed_tokens.weight)"))
                .findFirst()
                .orElseThrow();
        NDArray tensor = adapter.tensors().get(key);
        float[] values = tensor.toFloatArray();
        float[] gradient = Gradients.take(adapter).get(key);
        int at = 5 * (int) tensor.getShape().get(1) + 1;
        double step = 5e-3;
        double[] losses = new double[2];
        for (int i = 0; i < 2; i++) {
          float[] moved = values.clone();
          moved[at] += (float) (i == 0 ? step : -step);
          io.peft4j.torch.HostTensors.fill(tensor, moved);
          for (float[] row : base.lm.logProbs(sequences)) {
            for (float value : row) {
              losses[i] -= value;
            }
          }
        }
        assertEquals(
            (losses[0] - losses[1]) / (2 * step),
            gradient[at],
            0.02 * Math.abs(gradient[at]) + 1e-3);
        io.peft4j.torch.HostTensors.fill(tensor, values);
        float[][] with = base.run(inputs(golden));
        Path saved = Files.createTempDirectory(temporary, "saved");
        adapted.save("a", saved, Map.of());
        assertTrue(
            AdapterFiles.readShapes(saved).keySet().stream()
                .anyMatch(name -> name.startsWith("lm_head")));
        adapted.load("b", saved);
        assertArrayEquals(with, base.run(inputs(golden)));
      }
    }
  }
}
