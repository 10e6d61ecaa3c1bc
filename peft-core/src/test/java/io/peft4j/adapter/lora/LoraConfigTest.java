package io.peft4j.adapter.lora;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.adapter.target.ModuleSelector;
import java.util.List;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class LoraConfigTest {

  private static final ObjectMapper JSON = new ObjectMapper();

  /** Keys that this project has no component for, some of peft's and some nobody's yet. */
  private static final List<String> FOREIGN =
      List.of(
          "auto_mapping", "revision", "loftq_config", "peft_version", "corda_config", "from_2030");

  private static Arbitrary<String> names() {
    return Arbitraries.strings()
        .withCharRange('a', 'z')
        .withChars("._0")
        .ofMinLength(1)
        .ofMaxLength(9);
  }

  private static Arbitrary<ModuleSelector> selectors() {
    return Arbitraries.oneOf(
        names().list().ofMinSize(1).ofMaxSize(4).map(list -> ModuleSelector.names(list)),
        Arbitraries.of(".*query", "all-linear", "(a|b)\\.\\d+").map(ModuleSelector::regex));
  }

  private static Arbitrary<Double> alphas() {
    return Arbitraries.oneOf(
        Arbitraries.integers().between(1, 512).map(Integer::doubleValue),
        Arbitraries.doubles().between(0.25, 100));
  }

  private static Arbitrary<LoraConfig.Builder> numbers() {
    return Combinators.combine(
            Arbitraries.integers().between(1, 1024),
            alphas(),
            Arbitraries.doubles().between(0, 0.99),
            names().list().ofMaxSize(3).injectNull(0.4),
            Arbitraries.of(LoraConfig.Bias.class),
            Arbitraries.maps(names(), Arbitraries.integers().between(1, 99)).ofMaxSize(3),
            Arbitraries.maps(names(), alphas()).ofMaxSize(3))
        .as(
            (r, alpha, dropout, saved, bias, ranks, patternAlphas) ->
                LoraConfig.builder()
                    .r(r)
                    .loraAlpha(alpha)
                    .loraDropout(dropout)
                    .modulesToSave(saved)
                    .bias(bias)
                    .rankPattern(ranks)
                    .alphaPattern(patternAlphas));
  }

  private static Arbitrary<ObjectNode> foreignKeys() {
    return Arbitraries.maps(
            Arbitraries.of(FOREIGN),
            Arbitraries.of("null", "1", "\"x\"", "[1,[2]]", "{\"a\":{\"b\":null}}"))
        .map(
            values -> {
              ObjectNode json = JSON.createObjectNode();
              values.forEach((key, value) -> json.set(key, parse(value)));
              return json;
            });
  }

  private static JsonNode parse(String json) {
    try {
      return JSON.readTree(json);
    } catch (JsonProcessingException e) {
      throw new AssertionError(e);
    }
  }

  @Provide
  Arbitrary<LoraConfig> configs() {
    return Combinators.combine(
            numbers(),
            selectors().injectNull(0.2),
            selectors().injectNull(0.6),
            Arbitraries.integers().between(0, 40).list().ofMaxSize(3).injectNull(0.5),
            Arbitraries.of(LoraInit.class),
            Arbitraries.of(true, false).list().ofSize(6),
            names().injectNull(0.5),
            foreignKeys())
        .as(
            (builder, targets, excluded, layers, init, flags, text, foreign) -> {
              boolean list = targets == null || targets.names() != null;
              boolean biasFits = init == LoraInit.DEFAULT || init == LoraInit.RANDOM;
              boolean layered = list && layers != null;
              return builder
                  .targetModules(targets)
                  .excludeModules(excluded)
                  .layersToTransform(layered ? layers : null)
                  .layersPattern(layered && flags.get(0) ? List.of("layer", "h") : null)
                  .init(init)
                  .useRslora(flags.get(1))
                  .useDora(flags.get(2))
                  .loraBias(flags.get(3) && biasFits && !flags.get(2))
                  .fanInFanOut(flags.get(4))
                  .inferenceMode(flags.get(5))
                  .taskType(text == null ? null : "SEQ_CLS")
                  .baseModel(text)
                  .other(foreign)
                  .build();
            });
  }

  @Property(tries = 300)
  void jsonAndBackIsTheSame(@ForAll("configs") LoraConfig config) throws JsonProcessingException {
    ObjectNode json = (ObjectNode) JSON.readTree(JSON.writeValueAsString(config.toJson()));
    LoraConfig again = LoraConfig.ofJson(json);
    assertEquals(config, again);
    assertEquals(json, JSON.readTree(again.toJson().toString()));
    config
        .other()
        .properties()
        .forEach(entry -> assertEquals(entry.getValue(), json.get(entry.getKey())));
    assertEquals(config, config.toBuilder().build());
  }

  @Test
  void defaultsArePefts() throws JsonProcessingException {
    assertEquals(
        JSON.readTree(
            """
            {"peft_type": "LORA", "r": 8, "lora_alpha": 8, "lora_dropout": 0.0, "bias": "none",
             "target_modules": null, "exclude_modules": null, "modules_to_save": null,
             "layers_to_transform": null, "layers_pattern": null, "rank_pattern": {},
             "alpha_pattern": {}, "use_rslora": false, "use_dora": false,
             "init_lora_weights": true, "fan_in_fan_out": false, "lora_bias": false,
             "task_type": null, "base_model_name_or_path": null, "inference_mode": false}
            """),
        JSON.readTree(LoraConfig.builder().build().toJson().toString()));
    assertEquals(LoraConfig.builder().build(), LoraConfig.ofJson(JSON.createObjectNode()));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "{'r': 0} | r must be positive, found 0",
        "{'r': 'eight'} | 'r' must be an integer, found \"eight\"",
        "{'r': 3000000000} | 'r' must be an integer, found 3000000000",
        "{'lora_alpha': true} | 'lora_alpha' must be a number, found true",
        "{'lora_dropout': 1} | lora_dropout must be in [0, 1), found 1.0",
        "{'lora_dropout': -0.1} | lora_dropout must be in [0, 1), found -0.1",
        "{'bias': 'some'} | 'bias': expected none, all or lora_only, found some",
        "{'use_dora': 1} | 'use_dora' must be true or false, found 1",
        "{'target_modules': 3} | 'target_modules' must be a list of texts, found 3",
        "{'target_modules': ['a', 3]} | 'target_modules' must be a list of texts",
        "{'target_modules': '(a'} | '(a' is not a regular expression",
        "{'rank_pattern': {'q': 0}} | rank_pattern: q: 0",
        "{'rank_pattern': {'q': 1.5}} | 'rank_pattern': 'q' must be an integer, found 1.5",
        "{'rank_pattern': [1]} | 'rank_pattern' must be an object, found [1]",
        "{'alpha_pattern': {'q': 'x'}} | 'alpha_pattern' must be a number, found \"x\"",
        "{'layers_to_transform': 'all'} | 'layers_to_transform' must be an integer",
        "{'init_lora_weights': 'zeros'} | 'init_lora_weights': expected true, false, gaussian",
        "{'init_lora_weights': 'corda'} | 'init_lora_weights': corda took",
        "{'target_modules': 'a', 'layers_to_transform': 1} | layers_to_transform goes with a list",
        "{'layers_pattern': 'layer'} | layers_pattern goes with layers_to_transform",
        "{'lora_bias': true, 'use_dora': true} | lora_bias goes with",
        "{'lora_bias': true, 'init_lora_weights': 'pissa'} | lora_bias goes with",
        "{'use_qalora': true} | 'use_qalora' asks for a variant of LoRA that is not supported",
        "{'target_parameters': ['w']} | 'target_parameters' asks for a variant of LoRA",
        "{'peft_type': 'IA3'} | 'peft_type': expected LORA, found IA3"
      })
  void saysWhatIsWrong(String json, String message) {
    ObjectNode node = (ObjectNode) parse(json.replace('\'', '"'));
    String found =
        assertThrows(IllegalArgumentException.class, () -> LoraConfig.ofJson(node)).getMessage();
    assertTrue(found.contains(message), found);
  }

  @Test
  void offValuesOfForeignVariantsPass() {
    ObjectNode json = (ObjectNode) parse("{\"use_qalora\": false, \"layer_replication\": null}");
    assertEquals(json, LoraConfig.ofJson(json).other());
  }
}
