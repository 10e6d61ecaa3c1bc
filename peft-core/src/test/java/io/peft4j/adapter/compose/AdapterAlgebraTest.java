package io.peft4j.adapter.compose;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.peft4j.Golden;
import io.peft4j.adapter.AdaptedModel;
import io.peft4j.adapter.method.Adapter;
import io.peft4j.adapter.method.MethodConfig;
import io.peft4j.model.Model;
import io.peft4j.model.batch.TokenBatch;
import io.peft4j.model.load.LoadOptions;
import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Adapters combine as peft's do. */
class AdapterAlgebraTest {

  private static final JsonNode GOLDEN = Golden.json("weighted/golden.json");

  static Stream<String> cases() {
    return StreamSupport.stream(GOLDEN.get("cases").spliterator(), false)
        .map(test -> test.get("name").asText());
  }

  private static float[][] logits(Model model) {
    try (TokenBatch batch = Golden.batch(model, GOLDEN.get("inputs"))) {
      return model.logits(batch);
    }
  }

  @ParameterizedTest
  @MethodSource("cases")
  void combinedLikePeft(String name) throws IOException {
    JsonNode test =
        StreamSupport.stream(GOLDEN.get("cases").spliterator(), false)
            .filter(each -> each.get("name").asText().equals(name))
            .findFirst()
            .orElseThrow();
    try (Model model = Model.load(Golden.path("encoders/bert"), LoadOptions.DEFAULT);
        AdaptedModel adapted = new AdaptedModel(model)) {
      for (String adapter : List.of("a", "b", "c")) {
        adapted.load(adapter, Golden.path("weighted/" + adapter));
      }
      Map<String, Double> weights = new LinkedHashMap<>();
      for (int i = 0; i < test.get("adapters").size(); i++) {
        weights.put(test.get("adapters").get(i).asText(), test.get("weights").get(i).asDouble());
      }
      Combination combination =
          Combination.of(Combination.Type.named(test.get("type").asText()))
              .withDensity(test.get("density").asDouble())
              .withSvdRank(test.path("svd_rank").asInt())
              .withSvdClamp(test.path("svd_clamp").asDouble())
              .withFrequency(test.path("frequency").asBoolean())
              .withSeed(7);
      AdapterAlgebra.combine(adapted, "mixed", weights, combination);
      double distance = Golden.distance(Golden.matrix(test.get("logits")), logits(model));
      System.out.printf(Locale.ROOT, "%s: logits differ by %.1e%n", name, distance);
      assertTrue(distance < 1e-4, name + ": " + distance);
    }
  }

  @Test
  void whatIsAddedAndTakenAwayAgainIsGone() throws IOException {
    try (Model model = Model.load(Golden.path("encoders/bert"), LoadOptions.DEFAULT);
        AdaptedModel adapted = new AdaptedModel(model)) {
      float[][] bare = logits(model);
      adapted.load("a", Golden.path("weighted/a"));
      adapted.load("b", Golden.path("weighted/b"));
      Map<String, Double> weights = new LinkedHashMap<>();
      weights.put("a", 1.0);
      weights.put("b", 0.0);
      adapted.activate("a");
      float[][] first = logits(model);
      AdapterAlgebra.combine(adapted, "one", weights, Combination.of(Combination.Type.CAT));
      assertTrue(Golden.distance(first, logits(model)) < 1e-5);
      adapted.activate("a", "one");
      Map<String, Double> minus = new LinkedHashMap<>(weights);
      minus.put("a", -1.0);
      AdapterAlgebra.combine(adapted, "minus", minus, Combination.of(Combination.Type.CAT));
      adapted.activate("a", "minus");
      assertTrue(Golden.distance(bare, logits(model)) < 1e-4);
    }
  }

  @Test
  void averagesOfAnyMethod() throws IOException {
    try (Model model = Model.load(Golden.path("encoders/bert"), LoadOptions.DEFAULT);
        AdaptedModel adapted = new AdaptedModel(model)) {
      MethodConfig config =
          MethodConfig.of("IA3").with("init_ia3_weights", false).with("task_type", "SEQ_CLS");
      adapted.add("a", config, 1);
      adapted.add("b", config, 2);
      Adapter mean = AdapterAlgebra.average(adapted, "mean", Map.of("a", 0.25, "b", 0.75));
      String key = "bert.encoder.layer.0.attention.self.key.ia3_l";
      float a = adapted.adapter("a").tensors().get(key).toFloatArray()[0];
      float b = adapted.adapter("b").tensors().get(key).toFloatArray()[0];
      assertEquals(0.25f * a + 0.75f * b, mean.tensors().get(key).toFloatArray()[0], 1e-6);
      assertThrows(
          IllegalArgumentException.class,
          () ->
              AdapterAlgebra.combine(
                  adapted, "x", Map.of("a", 1.0), Combination.of(Combination.Type.CAT)));
    }
  }

  @Test
  void ranksThatDifferAreRefusedWhereTheyMustBeOne() throws IOException {
    try (Model model = Model.load(Golden.path("encoders/bert"), LoadOptions.DEFAULT);
        AdaptedModel adapted = new AdaptedModel(model)) {
      adapted.load("a", Golden.path("weighted/a"));
      adapted.load("c", Golden.path("weighted/c"));
      IllegalArgumentException e =
          assertThrows(
              IllegalArgumentException.class,
              () ->
                  AdapterAlgebra.combine(
                      adapted,
                      "x",
                      Map.of("a", 1.0, "c", 1.0),
                      Combination.of(Combination.Type.TIES)));
      assertTrue(e.getMessage().contains("one rank"), e.getMessage());
    }
  }
}
