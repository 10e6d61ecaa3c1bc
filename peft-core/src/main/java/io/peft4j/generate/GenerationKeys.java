package io.peft4j.generate;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.DoublePredicate;
import java.util.function.Predicate;

/**
 * Every key of transformers 5.18's {@code GenerationConfig} and what becomes of it here: used as
 * there, of no effect, or refused unless its value asks for nothing. A key that is absent or null
 * has transformers' default.
 */
final class GenerationKeys {

  /** What becomes of a key. */
  enum Use {
    /** It acts as in transformers. */
    USED,
    /** As USED, where tokens are drawn; else it is not even looked at. */
    SAMPLING,
    /** Whatever it says, the tokens are the same. */
    NO_EFFECT,
    /** It would change the tokens in a way that is not supported here. */
    REFUSED
  }

  /**
   * @param expected in words, what {@code accepts} accepts
   */
  record Key(Use use, String expected, Predicate<JsonNode> accepts) {

    void check(String name, JsonNode value) {
      if (!accepts.test(value)) {
        String why = use == Use.REFUSED ? " (anything else is not supported)" : "";
        throw new IllegalArgumentException(
            name + ": expected " + expected + why + ", found " + value);
      }
    }
  }

  /** What {@code generate} takes beside a config; transformers refuses them in one. */
  private static final Set<String> ARGUMENTS =
      Set.of(
          "logits_processor",
          "stopping_criteria",
          "prefix_allowed_tokens_fn",
          "synced_gpus",
          "assistant_model",
          "streamer",
          "negative_prompt_ids",
          "negative_prompt_attention_mask");

  /** They run together, so that a number without bounds would fill the memory. */
  private static final int MOST_SEQUENCES = 1024;

  static final Map<String, Key> ALL = table();

  private GenerationKeys() {}

  private static Map<String, Key> table() {
    Map<String, Key> keys = new LinkedHashMap<>();
    // how long, and what ends a sequence
    keys.put("max_length", used("a positive integer", integer(1)));
    keys.put("max_new_tokens", used("a positive integer", integer(1)));
    keys.put("min_length", used("an integer of 0 or more", integer(0)));
    keys.put("min_new_tokens", used("an integer of 0 or more", integer(0)));
    keys.put("max_time", used("a number of seconds", number(x -> true)));
    keys.put("stop_strings", used("a string or a list of strings, none empty", strings()));
    keys.put("eos_token_id", used("an integer or a list of integers", idOrIds(Integer.MIN_VALUE)));

    // how a token is chosen
    keys.put("do_sample", used("true or false", JsonNode::isBoolean));
    keys.put("temperature", sampling("positive (greedy is do_sample false)", x -> x > 0));
    keys.put("top_k", new Key(Use.SAMPLING, "an integer of 0 (for all) or more", integer(0)));
    keys.put("top_p", sampling("in [0, 1]", x -> x >= 0 && x <= 1));
    keys.put("min_p", sampling("in [0, 1]", x -> x >= 0 && x <= 1));
    keys.put("top_h", sampling("in (0, 1]", x -> x > 0 && x <= 1));
    keys.put("typical_p", sampling("in (0, 1]", x -> x > 0 && x <= 1));
    keys.put("epsilon_cutoff", sampling("in [0, 1)", x -> x >= 0 && x < 1));
    keys.put("eta_cutoff", sampling("in [0, 1)", x -> x >= 0 && x < 1));
    keys.put(
        "num_return_sequences",
        used(
            "an integer from 1 to " + MOST_SEQUENCES,
            integer(1).and(node -> node.intValue() <= MOST_SEQUENCES)));

    // what is done to the scores before
    keys.put("guidance_scale", used("a number", number(x -> true)));
    keys.put(
        "sequence_bias", used("pairs of token numbers and bias, [[[5, 7], -1.5], …]", biases()));
    keys.put("repetition_penalty", used("positive", number(x -> x > 0)));
    keys.put("encoder_repetition_penalty", used("positive", number(x -> x > 0)));
    keys.put("no_repeat_ngram_size", used("an integer of 0 or more", integer(0)));
    keys.put("encoder_no_repeat_ngram_size", used("an integer of 0 or more", integer(0)));
    keys.put("bad_words_ids", used("lists of token numbers, none empty", some(ids(1))));
    keys.put("forced_bos_token_id", used("a token number", integer(0)));
    keys.put("forced_eos_token_id", used("a token number or a list of them", idOrIds(0)));
    keys.put("remove_invalid_values", used("true or false", JsonNode::isBoolean));
    keys.put(
        "exponential_decay_length_penalty",
        used(
            "[start, factor], an integer and a number",
            node ->
                node.isArray()
                    && node.size() == 2
                    && node.get(0).isIntegralNumber()
                    && node.get(1).isNumber()));
    keys.put("suppress_tokens", used("a list of token numbers", ids(0)));
    keys.put("begin_suppress_tokens", used("a list of token numbers", ids(0)));
    keys.put("renormalize_logits", used("true or false", JsonNode::isBoolean));

    // other searches, and tokens changed in ways that are not here
    keys.put("num_beams", refused("1", node -> node.isNumber() && node.asDouble() == 1));
    keys.put("constraints", refused("null", node -> false));
    keys.put("force_words_ids", refused("null", node -> false));
    keys.put("dola_layers", refused("null", node -> false));
    keys.put("watermarking_config", refused("null", node -> false));
    keys.put("assistant_early_exit", refused("null", node -> false));
    keys.put("token_healing", refused("false", GenerationKeys::isFalse));
    keys.put("use_mtp", refused("false", GenerationKeys::isFalse));
    keys.put("is_assistant", refused("false", GenerationKeys::isFalse));
    // contrastive search, where nothing is drawn and top_k is above 1: see check
    keys.put("penalty_alpha", used("a number", number(x -> true)));

    // of beams, of which there is one
    idle(keys, "early_stopping", "length_penalty", "diversity_penalty", "num_beam_groups");
    // of an assistant model, which there is not; looking guesses up in the prompt changes no token
    idle(keys, "num_assistant_tokens", "num_assistant_tokens_schedule", "assistant_lookbehind");
    idle(keys, "assistant_confidence_threshold", "target_lookbehind", "speculation_type");
    idle(keys, "assistant_ensemble_weight", "prompt_lookup_num_tokens", "max_matching_ngram_size");
    // how the same is computed
    idle(keys, "use_cache", "cache_implementation", "cache_config", "max_cache_len");
    idle(keys, "prefill_chunk_size", "compile_config", "disable_compile", "low_memory");
    idle(keys, "continuous_batching_config");
    // what Python's generate returns besides
    idle(keys, "output_attentions", "output_hidden_states", "output_scores", "output_logits");
    idle(keys, "return_dict_in_generate");
    // prompts bring their own first token, padding is never seen, and there is no encoder
    idle(keys, "bos_token_id", "pad_token_id", "decoder_start_token_id");
    // about the file
    idle(keys, "transformers_version", "_from_model_config", "_commit_hash");
    return keys;
  }

  private static Key used(String expected, Predicate<JsonNode> accepts) {
    return new Key(Use.USED, expected, accepts);
  }

  private static Key sampling(String expected, DoublePredicate accepts) {
    return new Key(Use.SAMPLING, expected, number(accepts));
  }

  private static Key refused(String expected, Predicate<JsonNode> accepts) {
    return new Key(Use.REFUSED, expected, accepts);
  }

  private static void idle(Map<String, Key> keys, String... names) {
    for (String name : names) {
      keys.put(name, new Key(Use.NO_EFFECT, "anything", node -> true));
    }
  }

  /**
   * Checks a config as a whole.
   *
   * @throws IllegalArgumentException if a value is not what it should be, or asks for what is not
   *     supported; the message names the key
   */
  static void check(ObjectNode json) {
    boolean sample = json.path("do_sample").asBoolean(false);
    for (Map.Entry<String, JsonNode> entry : json.properties()) {
      if (ARGUMENTS.contains(entry.getKey())) {
        throw new IllegalArgumentException(
            entry.getKey() + ": an argument of generate, which no config may have");
      }
      Key key = ALL.get(entry.getKey());
      if (key != null && (key.use() != Use.SAMPLING || sample)) {
        key.check(entry.getKey(), entry.getValue());
      }
    }
    if (sample) {
      return;
    }
    if (json.path("num_return_sequences").asInt(1) > 1) {
      throw new IllegalArgumentException(
          "num_return_sequences: expected 1 where do_sample is false, found "
              + json.get("num_return_sequences"));
    }
    if (json.path("penalty_alpha").asDouble(0) > 0 && json.path("top_k").asInt(50) > 1) {
      throw new IllegalArgumentException(
          "penalty_alpha: expected none where do_sample is false (contrastive search is not"
              + " supported), found "
              + json.get("penalty_alpha"));
    }
  }

  /** {@return the keys of {@code json} that transformers gives no meaning} */
  static List<String> unknown(ObjectNode json) {
    return json.properties().stream()
        .map(Map.Entry::getKey)
        .filter(key -> !ALL.containsKey(key) && !ARGUMENTS.contains(key))
        .toList();
  }

  private static boolean isFalse(JsonNode node) {
    return node.isBoolean() && !node.asBoolean();
  }

  private static Predicate<JsonNode> integer(int least) {
    return node -> node.isIntegralNumber() && node.canConvertToInt() && node.intValue() >= least;
  }

  private static Predicate<JsonNode> number(DoublePredicate accepts) {
    return node ->
        node.isNumber() && Double.isFinite(node.asDouble()) && accepts.test(node.asDouble());
  }

  private static Predicate<JsonNode> listOf(Predicate<JsonNode> element) {
    return node -> {
      boolean all = node.isArray();
      for (JsonNode child : node) {
        all &= element.test(child);
      }
      return all;
    };
  }

  private static Predicate<JsonNode> some(Predicate<JsonNode> element) {
    return listOf(element).and(node -> !node.isEmpty());
  }

  private static Predicate<JsonNode> ids(int atLeast) {
    return listOf(integer(0)).and(node -> node.size() >= atLeast);
  }

  private static Predicate<JsonNode> idOrIds(int least) {
    return integer(least).or(listOf(integer(least)));
  }

  private static Predicate<JsonNode> strings() {
    Predicate<JsonNode> one = node -> node.isTextual() && !node.textValue().isEmpty();
    return one.or(listOf(one));
  }

  private static Predicate<JsonNode> biases() {
    return some(
        pair ->
            pair.isArray()
                && pair.size() == 2
                && ids(1).test(pair.get(0))
                && pair.get(1).isNumber());
  }
}
