package io.peft4j.adapter.target;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.Golden;
import io.peft4j.adapter.lora.LoraConfig;
import io.peft4j.adapter.lora.LoraMethod;
import io.peft4j.model.module.Embedding;
import io.peft4j.model.module.Linear;
import io.peft4j.model.module.Module;
import io.peft4j.model.module.ModuleTree;
import io.peft4j.model.module.ModuleTrees;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** What each config adapts, in which rank and scaling, or that it is refused: as in peft. */
class TargetMatcherTest {

  private static final Set<Class<? extends Module>> KINDS = Set.of(Linear.class, Embedding.class);

  private static final JsonNode GOLDEN = Golden.json("matcher.json");

  /** Where we differ on purpose: peft has no default targets for DistilBERT. */
  private static final String OUR_DEFAULT = "defaults of distilbert";

  /** Where we differ on purpose: peft ignores a module to save that is not there. */
  private static final String OUR_REFUSAL = "modules_to_save unknown";

  static Stream<Arguments> cases() {
    List<Arguments> cases = new ArrayList<>();
    GOLDEN.get("cases").forEach(test -> cases.add(Arguments.of(test.get("name").asText(), test)));
    return cases.stream();
  }

  private static ModuleTree tree(String model) {
    JsonNode golden = GOLDEN.get("models").get(model);
    Map<String, String> classes = new LinkedHashMap<>();
    golden.get("modules").properties().forEach(e -> classes.put(e.getKey(), e.getValue().asText()));
    JsonNode head = golden.get("output_embeddings");
    return ModuleTrees.of(classes, head.isNull() ? null : head.asText());
  }

  private static LoraConfig config(JsonNode test) {
    ObjectNode json = test.get("config").deepCopy();
    JsonNode type = GOLDEN.get("models").get(test.get("model").asText()).get("model_type");
    return LoraMethod.settle(LoraConfig.ofJson(json), type.isNull() ? null : type.asText());
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("cases")
  void adaptsWhatPeftAdapts(String name, JsonNode test) {
    ModuleTree modules = tree(test.get("model").asText());
    if (test.has("error") && !name.equals(OUR_DEFAULT)) {
      String message =
          assertThrows(
                  IllegalArgumentException.class,
                  () -> TargetMatcher.find(config(test).targets(), modules, KINDS))
              .getMessage();
      assertTrue(message.length() > 20, message);
      return;
    }
    LoraConfig config = config(test);
    Map<String, List<Double>> found = new TreeMap<>();
    for (Module module : TargetMatcher.find(config.targets(), modules, KINDS)) {
      found.put(
          module.name(),
          List.of((double) config.rankOf(module.name()), config.scalingOf(module.name())));
    }
    if (name.equals(OUR_DEFAULT)) {
      assertEquals(
          Set.of(
              "distilbert.transformer.layer.0.attention.q_lin",
              "distilbert.transformer.layer.0.attention.v_lin",
              "distilbert.transformer.layer.1.attention.q_lin",
              "distilbert.transformer.layer.1.attention.v_lin"),
          found.keySet());
      return;
    }
    Map<String, List<Double>> expected = new TreeMap<>();
    test.get("matched")
        .properties()
        .forEach(
            e ->
                expected.put(
                    e.getKey(),
                    List.of(e.getValue().get(0).asDouble(), e.getValue().get(1).asDouble())));
    assertEquals(expected, found);
    if (!name.equals(OUR_REFUSAL)) {
      List<String> saved = new ArrayList<>();
      test.get("modules_to_save").forEach(module -> saved.add(module.asText()));
      assertEquals(
          saved, TargetMatcher.savedModules(config.targets(), modules).stream().sorted().toList());
    }
  }

  @Test
  void runsThemAll() {
    assertTrue(cases().count() >= 90);
  }

  @Test
  void aNameThatIsNotThereGetsNearMisses() {
    LoraConfig config = LoraConfig.builder().targetModules("q_proj", "querry").build();
    String message =
        assertThrows(
                IllegalArgumentException.class,
                () -> TargetMatcher.find(config.targets(), tree("bert"), KINDS))
            .getMessage();
    assertTrue(message.contains("querry"), message);
    assertTrue(message.contains("near: attention.self.query"), message);
  }

  @Test
  void theConfigAnswersForLinearLayersByName() {
    LoraConfig config =
        LoraConfig.builder()
            .r(4)
            .loraAlpha(8)
            .targetModules(ModuleSelector.allLinear())
            .excludeModules(ModuleSelector.names("up"))
            .rankPattern(Map.of("down", 2))
            .build();
    assertTrue(config.adapts("net.down"));
    assertEquals(false, config.adapts("net.up"));
    assertEquals(2, config.rankOf("net.down"));
    assertEquals(4.0, config.scalingOf("net.down"));
    assertThrows(
        IllegalStateException.class, () -> LoraConfig.builder().build().adapts("net.down"));
  }
}
