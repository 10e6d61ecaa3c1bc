package io.peft4j.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.annotation.JsonAutoDetect.Visibility;
import com.fasterxml.jackson.annotation.PropertyAccessor;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.Golden;
import io.peft4j.model.encoder.EncoderFamily;
import io.peft4j.model.family.Families;
import io.peft4j.model.load.ModelConfig;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Every key of transformers' config classes is used, of no effect, or refused by name. */
class ConfigKeysTest {

  private static final ObjectMapper JSON =
      new ObjectMapper().setVisibility(PropertyAccessor.FIELD, Visibility.ANY);

  /** What these change is not done here. */
  private static final Set<String> REFUSED =
      Set.of(
          "is_encoder_decoder",
          "add_cross_attention",
          "is_decoder",
          "use_bidirectional_attention",
          "pruned_heads",
          "per_layer_config");

  /** GPT-NeoX has the key and does not look at it. */
  private static final String UNREAD_BY_NEOX = "is_decoder";

  /**
   * Of no effect on what a model computes: how transformers runs it, what it returns, how it saves
   * memory; and what others read: tokenizers and generation (special tokens), labels, the head.
   */
  private static final Set<String> ELSEWHERE =
      Set.of(
          "architectures",
          "bos_token_id",
          "chunk_size_feed_forward",
          "dtype",
          "eos_token_id",
          "id2label",
          "label2id",
          "model_type",
          "output_attentions",
          "output_hidden_states",
          "pretraining_tp",
          "problem_type",
          "reorder_and_upcast_attn",
          "return_dict",
          "use_cache");

  /** Of other tasks' heads, of initialization, of training code that transformers has no more. */
  private static final Set<String> UNREAD =
      Set.of(
          "qa_dropout",
          "sinusoidal_pos_embds",
          "summary_activation",
          "summary_first_dropout",
          "summary_proj_to_labels",
          "summary_type",
          "summary_use_proj",
          "original_max_position_embeddings");

  @TempDir Path temp;

  static Stream<String> types() {
    List<String> types = new ArrayList<>();
    Golden.json("config-defaults.json").fieldNames().forEachRemaining(types::add);
    assertEquals(11, types.size());
    return types.stream();
  }

  private static ObjectNode defaults(String type) {
    return Golden.json("config-defaults.json").get(type).deepCopy();
  }

  /** The spec as a tree, which compares by value. */
  private JsonNode spec(ObjectNode json) throws IOException {
    JSON.writeValue(temp.resolve("config.json").toFile(), json);
    ModelConfig config = Families.config(temp);
    return JSON.valueToTree(Families.of(config).architecture(config));
  }

  @ParameterizedTest
  @MethodSource("types")
  void keysLeftOutMeanWhatTransformersMeans(String type) throws IOException {
    JsonNode expected = spec(defaults(type));
    assertEquals(expected, spec(JSON.createObjectNode().put("model_type", type)));
    for (String key : new TreeSet<>(names(defaults(type)))) {
      ObjectNode without = defaults(type);
      without.remove(key);
      if (!key.equals("model_type")) {
        assertEquals(expected, spec(without), key);
      }
    }
  }

  private static List<String> names(JsonNode object) {
    List<String> names = new ArrayList<>();
    object.fieldNames().forEachRemaining(names::add);
    return names;
  }

  /** Another value that the key can have. */
  private static JsonNode other(String type, String key, ObjectNode json) {
    JsonNode value = json.get(key);
    if (key.equals("layer_types")) {
      json.put("use_sliding_window", true).put("sliding_window", 9);
      JsonNode kinds = value.deepCopy();
      ((ArrayNode) kinds).set(1, "sliding_attention");
      return kinds;
    }
    if (key.equals("rope_parameters")) {
      return ((ObjectNode) value.deepCopy()).put("rope_theta", 77.0);
    }
    if (key.endsWith("_window") || key.equals("max_window_layers")) {
      json.remove("layer_types");
      json.put("use_sliding_window", true).put("sliding_window", 9);
      return key.equals("use_sliding_window")
          ? JSON.getNodeFactory().booleanNode(true)
          : JSON.getNodeFactory().numberNode(8);
    }
    if (key.equals("hidden_act")
        || key.startsWith("activation")
        || key.equals("hidden_activation")) {
      return JSON.getNodeFactory().textNode("relu");
    }
    if (key.equals("num_key_value_heads")) {
      return JSON.getNodeFactory().numberNode(2);
    }
    if (Set.of("num_hidden_layers", "n_layer", "n_layers").contains(key)) {
      json.remove("layer_types");
      return JSON.getNodeFactory().numberNode(value.asInt() + 1);
    }
    if (value.isBoolean()) {
      return JSON.getNodeFactory().booleanNode(!value.asBoolean());
    }
    if (value.isIntegralNumber()) {
      return JSON.getNodeFactory().numberNode(2 * value.asInt() + (value.asInt() == 0 ? 1 : 0));
    }
    if (value.isNumber()) {
      return JSON.getNodeFactory().numberNode(value.asDouble() / 2 + 0.25);
    }
    if (value.isNull() && key.startsWith("use_")) {
      return JSON.getNodeFactory().booleanNode(true);
    }
    if (value.isNull() && key.equals("classifier_dropout")) {
      return JSON.getNodeFactory().numberNode(0.3);
    }
    return value.isNull()
        ? JSON.getNodeFactory().numberNode(7)
        : JSON.getNodeFactory().textNode("another");
  }

  @ParameterizedTest
  @MethodSource("types")
  void everyKeyIsUsedOrOfNoEffectOrRefused(String type) throws IOException {
    JsonNode plain = spec(defaults(type));
    for (String key : names(defaults(type))) {
      ObjectNode json = defaults(type);
      JsonNode value = other(type, key, json);
      if (key.equals("model_type")) {
        continue;
      }
      JsonNode before = spec(json);
      json.set(key, value);
      boolean unread =
          ELSEWHERE.contains(key)
              || UNREAD.contains(key)
              || (key.equals("tie_word_embeddings") && Families.find(type) instanceof EncoderFamily)
              || (type.equals("gpt_neox")
                  && (key.equals(UNREAD_BY_NEOX) || key.equals("classifier_dropout")))
              || (type.equals("phi3") && key.equals("embd_pdrop"));
      if (unread) {
        assertEquals(before, spec(json), key);
      } else if (REFUSED.contains(key)) {
        Exception e = assertThrows(IllegalArgumentException.class, () -> spec(json), key);
        assertTrue(e.getMessage().contains("config.json: " + key + " true is not"), e.getMessage());
      } else if (key.equals("sliding_window") || key.equals("max_window_layers")) {
        assertNotEquals(before, spec(json), key);
      } else {
        assertNotEquals(plain, spec(json), key);
      }
    }
  }

  @ParameterizedTest
  @MethodSource("types")
  void whatNoClassHasIsRefusedOrKeptSilently(String type) throws IOException {
    JsonNode plain = spec(defaults(type));
    assertEquals(plain, spec(defaults(type).put("no_such_key", 1)));
    ObjectNode pruned = defaults(type);
    pruned.putObject("pruned_heads").putArray("0").add(1);
    ObjectNode layered = defaults(type);
    layered.putObject("per_layer_config").putObject("0").put("num_attention_heads", 1);
    for (ObjectNode json : List.of(pruned, layered)) {
      Exception e = assertThrows(IllegalArgumentException.class, () -> spec(json));
      assertTrue(e.getMessage().contains("supported: none"), e.getMessage());
    }
  }

  /** attribute_map: another family's words, which win. */
  @Test
  void aliases() throws IOException {
    ObjectNode expected =
        defaults("gpt2").put("n_embd", 24).put("n_layer", 3).put("n_positions", 9);
    ObjectNode said =
        defaults("gpt2")
            .put("hidden_size", 24)
            .put("num_hidden_layers", 3)
            .put("max_position_embeddings", 9);
    assertEquals(spec(expected), spec(said));
    assertEquals(
        spec(defaults("distilbert").put("n_heads", 4)),
        spec(defaults("distilbert").put("num_attention_heads", 4)));
  }

  @Test
  void nullIsNotLeftOut() throws IOException {
    JsonNode uncapped =
        spec(
            defaults("gemma2")
                .putNull("attn_logit_softcapping")
                .putNull("final_logit_softcapping"));
    assertEquals(0, uncapped.at("/attention/cap").asDouble());
    assertEquals(0, uncapped.get("logitCap").asDouble());
    JsonNode whole = spec(defaults("mistral").putNull("sliding_window"));
    assertEquals(Integer.MAX_VALUE, whole.at("/attention/windows/0").asInt());
    assertEquals(
        32,
        spec(defaults("mistral").putNull("num_key_value_heads")).at("/attention/keyHeads").asInt());
    assertTrue(spec(defaults("phi3").putNull("pad_token_id")).get("padId").isNull());
  }

  @Test
  void rotations() throws IOException {
    JsonNode plain = spec(defaults("llama"));
    ObjectNode dynamic = defaults("llama");
    ((ObjectNode) dynamic.get("rope_parameters")).put("rope_type", "dynamic").put("factor", 4.0);
    assertEquals(plain, spec(dynamic));
    ObjectNode older = defaults("llama");
    older.putObject("rope_scaling").put("type", "linear").put("factor", 2.0);
    assertNotEquals(plain, spec(older), "rope_scaling goes before rope_parameters");
    older.putObject("rope_scaling");
    assertEquals(plain, spec(older));
    assertEquals(plain, spec(defaults("llama").put("partial_rotary_factor", 0.5)));
    ObjectNode nested = defaults("gemma2");
    ObjectNode one = (ObjectNode) nested.remove("rope_parameters");
    ObjectNode kinds = nested.putObject("rope_parameters");
    kinds.set("full_attention", one);
    kinds.set("sliding_attention", one.deepCopy());
    assertEquals(spec(defaults("gemma2")), spec(nested));
    ((ObjectNode) kinds.get("sliding_attention")).put("rope_theta", 5.0);
    Exception e = assertThrows(IllegalArgumentException.class, () -> spec(nested));
    assertTrue(e.getMessage().contains("rope_parameters {"), e.getMessage());
    for (String key : List.of("rope_theta", "factor")) {
      ObjectNode bad = dynamic.deepCopy();
      ((ObjectNode) bad.get("rope_parameters")).put(key, 0);
      e = assertThrows(IllegalArgumentException.class, () -> spec(bad));
      assertTrue(
          e.getMessage().contains("'" + key + "': expected a number above 0"), e.getMessage());
    }
  }
}
