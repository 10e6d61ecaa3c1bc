package io.peft4j.adapter;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.peft4j.Golden;
import io.peft4j.ParityTable;
import io.peft4j.adapter.lora.LoraConfig;
import io.peft4j.adapter.lora.LoraInit;
import io.peft4j.adapter.method.Adapter;
import io.peft4j.adapter.method.Floats;
import io.peft4j.adapter.target.ModuleSelector;
import io.peft4j.model.CausalLm;
import io.peft4j.model.batch.TokenBatch;
import io.peft4j.model.batch.TokenSequence;
import io.peft4j.model.load.LoadOptions;
import io.peft4j.safetensors.SafetensorsFile;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** LoRA on decoders: first gradients as peft's, recomputation, heads and tied weights. */
class DecoderLoraTest {

  private static final ParityTable TABLE =
      new ParityTable(
          "decoder-gradients",
          "Gradients of LoRA on all linear layers beside peft's, float32: largest relative difference",
          "model",
          "kept",
          "recomputed");

  @AfterAll
  static void write() throws IOException {
    TABLE.write();
  }

  static Stream<String> adapters() {
    return Golden.folders("decoders", "lora-").stream();
  }

  private static CausalLm load(String name) throws IOException {
    return CausalLm.load(Golden.path(name), LoadOptions.DEFAULT);
  }

  private static double backward(
      CausalLm lm, List<TokenSequence> sequences, double scale, boolean recompute) {
    try (TokenBatch batch = lm.model().batch(sequences)) {
      return lm.model().forwardBackward(batch, null, scale, 5, recompute);
    }
  }

  /** {@return the largest of |a - b| / |b| over tensors, by L2 norms} */
  private static double distance(Map<String, float[]> a, Map<String, float[]> b) {
    assertEquals(b.keySet(), a.keySet());
    double worst = 0;
    for (String key : b.keySet()) {
      double difference = 0;
      double square = 0;
      for (int i = 0; i < b.get(key).length; i++) {
        difference += Math.pow(a.get(key)[i] - b.get(key)[i], 2);
        square += Math.pow(b.get(key)[i], 2);
      }
      worst = Math.max(worst, Math.sqrt(difference / square));
    }
    return worst;
  }

  @ParameterizedTest
  @MethodSource("adapters")
  void firstGradientsEqualPeft(String name) throws IOException {
    Path folder = Golden.path("decoders/" + name);
    JsonNode golden = Golden.json("decoders/" + name + "/golden.json");
    Map<String, float[]> expected = new HashMap<>();
    try (SafetensorsFile file = SafetensorsFile.open(folder.resolve("grads.safetensors"))) {
      for (var info : file.tensors().values()) {
        expected.put(info.name().substring("base_model.model.".length()), Floats.read(file, info));
      }
    }
    try (CausalLm lm = load(golden.get("base").asText());
        AdaptedModel adapted = new AdaptedModel(lm.model())) {
      Adapter adapter = adapted.load("a", folder);
      adapter.setTrainable(true);
      int tokens = golden.get("tokens").asInt();
      List<TokenSequence> sequences = Golden.labelled(lm.model(), golden);
      for (boolean recompute : new boolean[] {false, true}) {
        double loss = backward(lm, sequences, 1.0 / tokens, recompute) / tokens;
        assertEquals(golden.get("loss").asDouble(), loss, 1e-5, "loss");
        double worst = distance(Gradients.take(adapter), expected);
        TABLE.put(name.substring(5), recompute ? "recomputed" : "kept", worst);
        System.out.printf(Locale.ROOT, "%s: gradients differ by %.1e, relatively%n", name, worst);
        assertTrue(worst < 2e-5, name + ": " + worst);
      }
    }
  }

  @ParameterizedTest
  @MethodSource("adapters")
  void gradientsAreTheSameRecomputedWithDropout(String name) throws IOException {
    JsonNode golden = Golden.json("decoders/" + name + "/golden.json");
    LoraConfig config =
        LoraConfig.builder()
            .r(2)
            .targetModules(ModuleSelector.allLinear())
            .loraDropout(0.25)
            .init(LoraInit.RANDOM)
            .build();
    try (CausalLm lm = load(golden.get("base").asText());
        AdaptedModel adapted = new AdaptedModel(lm.model())) {
      Adapter adapter = adapted.add("a", config, 3);
      List<TokenSequence> sequences = Golden.labelled(lm.model(), golden);
      double kept = backward(lm, sequences, 1, false);
      Map<String, float[]> first = Gradients.take(adapter);
      assertEquals(kept, backward(lm, sequences, 1, true), 0);
      double worst = distance(Gradients.take(adapter), first);
      assertTrue(worst < 1e-6, name + ": " + worst);
    }
  }

  @Test
  void chunksOfTheHeadAddUp() throws IOException {
    LoraConfig config =
        LoraConfig.builder().r(2).targetModules("lm_head", "q_proj").init(LoraInit.RANDOM).build();
    try (CausalLm lm = load("decoders/llama");
        AdaptedModel adapted = new AdaptedModel(lm.model())) {
      Adapter adapter = adapted.add("a", config, 3);
      List<TokenSequence> sequences = new ArrayList<>();
      for (int i = 0; i < 16; i++) {
        int[] ids = new int[30 + i];
        for (int t = 0; t < ids.length; t++) {
          ids[t] = (7 * t + 13 * i) % 120;
        }
        sequences.add(lm.sequence(ids));
      }
      // Some 600 labels are several chunks; a few sequences at a time are one.
      double together = backward(lm, sequences, 1, false);
      Map<String, float[]> chunked = Gradients.take(adapter);
      double apart = 0;
      for (int i = 0; i < 16; i += 4) {
        apart += backward(lm, sequences.subList(i, i + 4), 1, false);
      }
      assertEquals(apart, together, 1e-2);
      double worst = distance(chunked, Gradients.take(adapter));
      assertTrue(worst < 1e-5, "gradients: " + worst);
      float[][] logProbs = lm.logProbs(sequences);
      double sum = 0;
      for (float[] row : logProbs) {
        for (float value : row) {
          sum -= value;
        }
      }
      assertEquals(together, sum, 1e-2);
    }
  }

  @Test
  void onlyTheHeadCanBeAdapted() throws IOException {
    LoraConfig config = LoraConfig.builder().r(2).targetModules("lm_head").build();
    try (CausalLm lm = load("decoders/llama");
        AdaptedModel adapted = new AdaptedModel(lm.model())) {
      Adapter adapter = adapted.add("a", config, 3);
      backward(lm, List.of(lm.sequence(new int[] {5, 9, 13, 4})), 1, false);
      assertTrue(Gradients.take(adapter).get("lm_head.lora_B.weight")[0] != 0);
    }
  }

  @Test
  void mergingIntoATiedHeadLeavesTheEmbeddingAlone() throws IOException {
    LoraConfig config =
        LoraConfig.builder().r(2).targetModules("lm_head").init(LoraInit.RANDOM).build();
    try (CausalLm lm = load("decoders/llama3");
        AdaptedModel adapted = new AdaptedModel(lm.model())) {
      List<TokenSequence> sequences = List.of(lm.sequence(new int[] {5, 9, 13, 4, 77, 50}));
      float[][] base = lm.logProbs(sequences);
      adapted.add("a", config, 3);
      float[][] withAdapter = lm.logProbs(sequences);
      assertNotEquals(0, Golden.distance(base, withAdapter));
      adapted.merge("a");
      double distance = Golden.distance(withAdapter, lm.logProbs(sequences));
      assertTrue(distance < 1e-5, "merged: " + distance);
      adapted.unmerge();
      adapted.activate();
      assertEquals(0, Golden.distance(base, lm.logProbs(sequences)));
    }
  }

  @Test
  void aBatchWithoutLabelsHasNoLoss() throws IOException {
    LoraConfig config = LoraConfig.builder().r(2).build();
    try (CausalLm lm = load("decoders/llama");
        AdaptedModel adapted = new AdaptedModel(lm.model())) {
      assertEquals(4, adapted.add("a", config, 3).targets().size(), "q_proj and v_proj, 2 layers");
      int[] none = {TokenSequence.IGNORED, TokenSequence.IGNORED};
      TokenSequence sequence = lm.sequence(new int[] {5, 9}).withLabels(none);
      assertEquals(0, backward(lm, List.of(sequence), 1, false));
    }
  }
}
