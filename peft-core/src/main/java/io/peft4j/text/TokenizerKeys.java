package io.peft4j.text;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What becomes of each key of {@code tokenizer_config.json}. */
final class TokenizerKeys {

  private static final Logger LOG = LoggerFactory.getLogger(TokenizerKeys.class);

  /** Used as transformers uses it; so is each special token's name. */
  static final Set<String> USED =
      Set.of(
          "tokenizer_class",
          "added_tokens_decoder",
          "additional_special_tokens",
          "extra_special_tokens",
          "model_specific_special_tokens",
          "chat_template",
          "do_lower_case",
          "strip_accents",
          "tokenize_chinese_chars",
          "add_prefix_space",
          "trim_offsets",
          "legacy",
          "add_bos_token",
          "add_eos_token",
          "model_max_length",
          "max_len",
          "model_input_names",
          "truncation_side",
          "clean_up_tokenization_spaces",
          "clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output",
          "split_special_tokens");

  /** Of no effect, in transformers 5.18 on token numbers either, or here by design. */
  static final Set<String> WITHOUT_EFFECT =
      Set.of(
          // batches are packed, so that there is no side to pad
          "padding_side",
          "pad_token_type_id",
          "pad_to_multiple_of",
          // about the object in Python, where it came from and how it is shown
          "backend",
          "name_or_path",
          "is_local",
          "local_files_only",
          "special_tokens_map_file",
          "tokenizer_file",
          "vocab_file",
          "merges_file",
          "processor_class",
          "tokenizer_type",
          "transformers_version",
          "init_inputs",
          "device_map",
          "cache_dir",
          "verbose",
          "use_fast",
          "from_slow",
          "files_loaded",
          "response_template",
          "response_schema",
          // of tokenizers written in Python
          "errors",
          "do_basic_tokenize",
          "never_split",
          "wordpieces_prefix",
          "clean_text",
          "sp_model_kwargs",
          "unk_id",
          "spaces_between_special_tokens",
          "use_default_system_prompt",
          "remove_space",
          "keep_accents",
          "do_split_special_tokens",
          // each call says for itself whether and where it cuts
          "max_length",
          "stride",
          "truncation_strategy",
          "truncation",
          "padding");

  /** Keys whose other values would change a text's tokens: what they may be here, and why. */
  private static final Map<String, String> ONLY_FALSE =
      Map.of(
          "split_special_tokens", "special tokens in a text are always found as such",
          "fix_mistral_regex",
              "save the tokenizer with it from Python: tokenizer.json then has it");

  private static final Map<String, String> WARNED =
      Map.of(
          "auto_map", "code beside a model is not run",
          "fast_tokenizer_files", "tokenizer.json is read, whatever the version");

  private TokenizerKeys() {}

  static boolean namesToken(String key) {
    return key.endsWith("_token") && !key.startsWith("add_");
  }

  /** {@return whether something is done about {@code key}, or nothing needs to be} */
  static boolean isKnown(String key) {
    return namesToken(key)
        || USED.contains(key)
        || WITHOUT_EFFECT.contains(key)
        || ONLY_FALSE.containsKey(key)
        || WARNED.containsKey(key);
  }

  /**
   * Warns of keys that are not used.
   *
   * @throws IllegalArgumentException if one asks for what is not done
   */
  static void check(Path file, JsonNode json) {
    ONLY_FALSE.forEach(
        (key, why) -> {
          if (json.path(key).asBoolean(false)) {
            throw new IllegalArgumentException(
                file + ": " + key + ": expected false, found " + json.get(key) + ": " + why);
          }
        });
    WARNED.forEach(
        (key, why) -> {
          if (json.hasNonNull(key)) {
            LOG.warn("{}: {} is not used: {}", file, key, why);
          }
        });
    Set<String> unknown = new TreeSet<>();
    json.fieldNames().forEachRemaining(unknown::add);
    unknown.removeIf(TokenizerKeys::isKnown);
    if (!unknown.isEmpty()) {
      LOG.warn("{}: unknown keys {} are not used", file, List.copyOf(unknown));
    }
  }
}
