package io.peft4j.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.peft4j.Golden;
import io.peft4j.adapter.AdaptedModel;
import io.peft4j.adapter.lora.LoraConfig;
import io.peft4j.adapter.lora.LoraInit;
import io.peft4j.adapter.target.ModuleSelector;
import io.peft4j.model.load.LoadOptions;
import io.peft4j.safetensors.Checkpoint;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Decoders written as plain checkpoints: the same files untouched, the same numbers merged. */
class ModelExportTest {

  private static final int[] IDS = {5, 9, 13, 4, 77, 50, 3, 21};

  static Stream<String> languageModels() {
    return DecoderParityTest.languageModels();
  }

  private static float[][] logProbs(CausalLm lm) {
    return lm.logProbs(List.of(lm.sequence(IDS)));
  }

  private static JsonNode config(Path folder) throws IOException {
    return new ObjectMapper().readTree(folder.resolve("config.json").toFile());
  }

  @ParameterizedTest
  @MethodSource("languageModels")
  void anUntouchedModelIsWrittenAsItWas(String name, @TempDir Path folder) throws IOException {
    Path base = Golden.path("decoders/" + name);
    try (CausalLm lm = CausalLm.load(base, LoadOptions.DEFAULT)) {
      ModelExport.write(lm.model(), folder);
    }
    assertEquals(config(base), config(folder));
    try (Checkpoint was = Checkpoint.open(base);
        Checkpoint is = Checkpoint.open(folder)) {
      assertEquals(Map.copyOf(infos(was)), Map.copyOf(infos(is)));
      for (String tensor : was.names()) {
        assertEquals(was.bytes(tensor), is.bytes(tensor), tensor);
      }
    }
  }

  private static Map<String, String> infos(Checkpoint checkpoint) {
    Map<String, String> infos = new HashMap<>();
    for (String name : checkpoint.names()) {
      infos.put(name, checkpoint.info(name).dtype() + " " + checkpoint.info(name).shape());
    }
    return infos;
  }

  @ParameterizedTest
  @MethodSource("languageModels")
  void aMergedAdapterIsInTheFiles(String name, @TempDir Path folder) throws IOException {
    LoraConfig config =
        LoraConfig.builder()
            .r(2)
            .targetModules(ModuleSelector.allLinear())
            .init(LoraInit.RANDOM)
            .build();
    float[][] expected;
    try (CausalLm lm = CausalLm.load(Golden.path("decoders/" + name), LoadOptions.DEFAULT);
        AdaptedModel adapted = new AdaptedModel(lm.model())) {
      float[][] before = logProbs(lm);
      adapted.add("a", config, 3);
      expected = logProbs(lm);
      assertTrue(Golden.distance(before, expected) > 1e-3);
      adapted.merge("a");
      ModelExport.write(lm.model(), folder, Map.of(), 20_000);
    }
    try (Checkpoint written = Checkpoint.open(folder)) {
      assertTrue(written.files().size() > 1, "shards");
    }
    boolean half = name.endsWith("16");
    try (CausalLm lm = CausalLm.load(folder, LoadOptions.DEFAULT)) {
      double distance = Golden.distance(expected, logProbs(lm));
      assertTrue(distance < (half ? 0.1 : 1e-5), name + ": " + distance);
    }
  }

  /** float16 ends at 65504. */
  @ParameterizedTest
  @ValueSource(strings = {"q_proj", "embed_tokens", "lm_head"})
  void aNumberThatItsTypeCannotHoldIsRefused(String target, @TempDir Path folder)
      throws IOException {
    LoraConfig config =
        LoraConfig.builder()
            .r(2)
            .loraAlpha(2e7)
            .targetModules(target)
            .init(LoraInit.RANDOM)
            .build();
    try (CausalLm lm = CausalLm.load(Golden.path("decoders/llama-fp16"), LoadOptions.DEFAULT);
        AdaptedModel adapted = new AdaptedModel(lm.model())) {
      adapted.add("a", config, 3);
      adapted.merge("a");
      ArithmeticException e =
          assertThrows(
              ArithmeticException.class,
              () -> ModelExport.write(lm.model(), folder, Map.of(), 20_000));
      assertTrue(e.getMessage().contains(target), e.getMessage());
      assertTrue(e.getMessage().contains("F16"), e.getMessage());
    }
    try (Stream<Path> files = Files.list(folder)) {
      assertEquals(List.of(), files.toList());
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"embed_tokens", "lm_head"})
  void oneSideOfATiedPairUntiesThem(String target, @TempDir Path folder) throws IOException {
    LoraConfig config =
        LoraConfig.builder().r(2).targetModules(target).init(LoraInit.RANDOM).build();
    float[][] expected;
    Path base = Golden.path("decoders/llama3");
    assertTrue(config(base).get("tie_word_embeddings").asBoolean());
    try (CausalLm lm = CausalLm.load(base, LoadOptions.DEFAULT);
        AdaptedModel adapted = new AdaptedModel(lm.model())) {
      adapted.add("a", config, 3);
      expected = logProbs(lm);
      adapted.merge("a");
      ModelExport.write(lm.model(), folder);
    }
    assertFalse(config(folder).get("tie_word_embeddings").asBoolean());
    try (CausalLm lm = CausalLm.load(folder, LoadOptions.DEFAULT)) {
      double distance = Golden.distance(expected, logProbs(lm));
      assertTrue(distance < 1e-5, target + ": " + distance);
    }
  }
}
