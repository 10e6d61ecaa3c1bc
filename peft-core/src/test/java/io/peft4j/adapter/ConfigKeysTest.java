package io.peft4j.adapter;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.Golden;
import io.peft4j.adapter.lora.LoraConfig;
import io.peft4j.adapter.lora.LoraConfigJson;
import io.peft4j.adapter.method.AdapterConfig;
import io.peft4j.adapter.method.AdapterMethods;
import io.peft4j.adapter.method.MethodConfig;
import io.peft4j.adapter.target.Targets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Every key of peft's config classes is read, has no effect on purpose, or is refused. */
class ConfigKeysTest {

  private static final ObjectMapper JSON = new ObjectMapper();

  private static final JsonNode GOLDEN = Golden.json("adapter_keys.json");

  static Stream<Arguments> methods() {
    return GOLDEN.get("keys").properties().stream()
        .map(entry -> Arguments.of(entry.getKey(), entry.getValue()));
  }

  private static ObjectNode ours(String type) {
    return type.equals("LORA")
        ? LoraConfig.builder().build().toJson()
        : MethodConfig.of(type).toJson();
  }

  private static AdapterConfig parsed(String type, ObjectNode json) {
    return AdapterMethods.named(type).parse(json.put("peft_type", type));
  }

  private static ObjectNode needed(String type) {
    ObjectNode json = JSON.createObjectNode();
    return type.endsWith("_TUNING") && !type.startsWith("LN")
        ? json.put("num_virtual_tokens", 4)
        : json;
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("methods")
  void everyKeyOfPeftsIsDecidedOn(String type, JsonNode keys) throws JsonProcessingException {
    ObjectNode ours = (ObjectNode) JSON.readTree(ours(type).toString());
    Set<String> undecided = new TreeSet<>();
    List<String> otherDefaults = new ArrayList<>();
    for (Map.Entry<String, JsonNode> key : keys.properties()) {
      String name = key.getKey();
      JsonNode found = ours.get(name);
      if (found == null
          && !(type.equals("LORA") && LoraConfigJson.keys().contains(name))
          && AdapterMethods.named(type).keys().whyIdle(name) == null
          && !AdapterMethods.named(type).keys().isUnsupported(name)) {
        undecided.add(name);
      }
      if (found != null && !name.equals("peft_type") && !found.equals(key.getValue())) {
        otherDefaults.add(name + ": " + found + ", peft has " + key.getValue());
      }
    }
    assertEquals(Set.of(), undecided);
    assertEquals(List.of(), otherDefaults);
    ours.properties().forEach(key -> assertTrue(keys.has(key.getKey()), key.getKey()));
  }

  /** A file with all of peft's keys at their defaults says what a file without any does. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("methods")
  void defaultsSayNothing(String type, JsonNode keys) {
    ObjectNode all = keys.deepCopy();
    needed(type).properties().forEach(entry -> all.set(entry.getKey(), entry.getValue()));
    AdapterConfig config = parsed(type, all);
    assertEquals(List.of(), AdapterMethods.named(type).unknownKeys(config));
    ObjectNode read = config.toJson();
    ObjectNode none = parsed(type, needed(type)).toJson();
    none.properties()
        .forEach(entry -> assertEquals(entry.getValue(), read.get(entry.getKey()), entry.getKey()));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("methods")
  void aKeyThatNobodyKnowsIsNamed(String type, JsonNode keys) {
    AdapterConfig config = parsed(type, needed(type).put("modules_to_saev", 1).put("x_2030", "y"));
    List<String> unknown = AdapterMethods.named(type).unknownKeys(config);
    assertEquals(2, unknown.size(), unknown.toString());
    assertTrue(unknown.get(0).startsWith("'modules_to_saev' is no key of " + type), unknown.get(0));
    assertTrue(unknown.get(0).contains("near: modules_to_save"), unknown.get(0));
    if (!type.equals("LORA")) {
      String message =
          assertThrows(
                  IllegalArgumentException.class,
                  () -> MethodConfig.of(type).with("modules_to_saev", 1))
              .getMessage();
      assertTrue(message.contains("near: modules_to_save"), message);
    }
  }

  @ParameterizedTest
  @CsvSource({"LORA", "ADALORA"})
  void variantsAreRefusedUnlessTheyAreOff(String type) throws JsonProcessingException {
    Map<String, List<String>> off =
        Map.of(
            "target_parameters", List.of("[]", "null"),
            "trainable_token_indices", List.of("{}", "[]", "null"),
            "layer_replication", List.of("[]", "null"),
            "alora_invocation_tokens", List.of("[]", "null"),
            "megatron_config", List.of("{}", "null"),
            "use_qalora", List.of("false"),
            "kasa_config", List.of("null"));
    for (Map.Entry<String, List<String>> entry : off.entrySet()) {
      for (String value : entry.getValue()) {
        parsed(
            type, (ObjectNode) JSON.createObjectNode().set(entry.getKey(), JSON.readTree(value)));
      }
    }
    Map<String, String> on =
        Map.ofEntries(
            Map.entry("target_parameters", "[\"w\"]"),
            Map.entry("trainable_token_indices", "[1]"),
            Map.entry("layer_replication", "[[0, 1]]"),
            Map.entry("alora_invocation_tokens", "[1]"),
            Map.entry("megatron_config", "{\"a\": 1}"),
            Map.entry("use_qalora", "true"),
            Map.entry("arrow_config", "{}"),
            Map.entry("kasa_config", "{}"),
            Map.entry("velora_config", "{}"),
            Map.entry("monteclora_config", "{}"),
            Map.entry("use_bdlora", "{}"));
    for (Map.Entry<String, String> entry : on.entrySet()) {
      ObjectNode json = JSON.createObjectNode();
      json.set(entry.getKey(), JSON.readTree(entry.getValue()));
      String message =
          assertThrows(IllegalArgumentException.class, () -> parsed(type, json), entry.getKey())
              .getMessage();
      assertTrue(message.startsWith("'" + entry.getKey() + "' asks for a variant"), message);
    }
  }

  @Test
  void taskTypesArePefts() {
    Set<String> golden = new TreeSet<>();
    GOLDEN.get("task_types").forEach(type -> golden.add(type.asText()));
    assertEquals(golden, new TreeSet<>(Targets.TASK_TYPES));
    String message =
        assertThrows(
                IllegalArgumentException.class,
                () -> LoraConfig.builder().taskType("SEQ_CLASS").build())
            .getMessage();
    assertTrue(message.contains("'task_type': expected one of [CAUSAL_LM, "), message);
  }
}
