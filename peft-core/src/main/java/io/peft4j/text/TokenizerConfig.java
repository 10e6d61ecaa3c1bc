package io.peft4j.text;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.io.JsonFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.SortedMap;
import java.util.TreeMap;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What stands beside a {@code tokenizer.json}: {@code tokenizer_config.json}, and {@code
 * special_tokens_map.json} and {@code added_tokens.json} where transformers 5.18 reads them, that
 * is where the first has no {@code added_tokens_decoder}.
 *
 * @param file {@code tokenizer_config.json}, which need not exist
 * @param json what it holds
 * @param type the class of transformers that is built
 * @param special the special tokens by what they are for, those of the class where nothing is said;
 *     in transformers' order
 * @param extra special tokens without a name
 * @param added more tokens by their numbers; without those of {@code tokenizer.json}
 * @param complete whether {@code added} is all: then those of {@code tokenizer.json} are not read
 *     by a class that builds a tokenizer anew
 */
record TokenizerConfig(
    Path file,
    JsonNode json,
    TokenizerClass type,
    Map<String, AddedToken> special,
    List<AddedToken> extra,
    SortedMap<Integer, AddedToken> added,
    boolean complete) {

  static final String NAME = "tokenizer_config.json";

  /** Named special tokens, in the order in which transformers adds them. */
  private static final List<String> NAMED =
      List.of(
          "bos_token",
          "eos_token",
          "unk_token",
          "sep_token",
          "pad_token",
          "cls_token",
          "mask_token");

  private static final String EXTRA = "extra_special_tokens";
  private static final String ADDITIONAL = "additional_special_tokens";
  private static final String DECODER = "added_tokens_decoder";

  private static final Logger LOG = LoggerFactory.getLogger(TokenizerConfig.class);

  /**
   * @throws IllegalArgumentException if a file does not hold what it should
   */
  static TokenizerConfig read(Path folder) throws IOException {
    return read(folder, folder);
  }

  /**
   * @param modelFolder of the {@code config.json} that is used where {@code folder} has none
   */
  static TokenizerConfig read(Path folder, Path modelFolder) throws IOException {
    Path file = folder.resolve(NAME);
    ObjectNode json = object(file);
    boolean own = Files.exists(folder.resolve("config.json"));
    JsonNode model = object((own ? folder : modelFolder).resolve("config.json"));
    String named = text(json, "tokenizer_class", file);
    if (named == null) {
      named = model.path("tokenizer_class").textValue();
    }
    boolean vocabularyOnly = TokenizerDefinition.isBertVocabulary(folder);
    TokenizerClass.Chosen chosen =
        TokenizerClass.choose(model.path("model_type").textValue(), named);
    TokenizerClass type =
        vocabularyOnly && chosen.type() != TokenizerClass.DISTILBERT
            ? TokenizerClass.BERT
            : chosen.type();
    if (!chosen.known() && !vocabularyOnly) {
      LOG.warn(
          "{}: tokenizer_class {}: tokenizer.json is taken as it is, without what that class may"
              + " change of it",
          file,
          chosen.name());
    }
    TokenizerKeys.check(file, json);

    Map<String, JsonNode> keys = new LinkedHashMap<>();
    json.properties().forEach(entry -> keys.put(entry.getKey(), entry.getValue()));
    if (keys.containsKey(ADDITIONAL) && keys.getOrDefault(EXTRA, none()).isEmpty()) {
      keys.put(EXTRA, keys.remove(ADDITIONAL));
    }
    SortedMap<Integer, AddedToken> added = new TreeMap<>();
    boolean complete = json.has(DECODER);
    if (complete) {
      for (Map.Entry<String, JsonNode> entry : json.get(DECODER).properties()) {
        added.put(number(entry.getKey(), file), token(entry.getValue(), file, DECODER));
      }
    } else {
      Path map = folder.resolve("special_tokens_map.json");
      for (Map.Entry<String, JsonNode> entry : object(map).properties()) {
        if (entry.getKey().equals(EXTRA) && entry.getValue().isArray()) {
          var all = JsonNodeFactory.instance.arrayNode();
          keys.getOrDefault(EXTRA, none()).forEach(all::add);
          entry.getValue().forEach(all::add);
          keys.put(EXTRA, all);
        } else {
          keys.put(entry.getKey(), entry.getValue());
        }
      }
      if (keys.containsKey(ADDITIONAL) && !keys.containsKey(EXTRA)) {
        keys.put(EXTRA, keys.remove(ADDITIONAL));
      }
    }
    Map<String, AddedToken> special = special(type, keys, file);
    List<AddedToken> extra = new ArrayList<>();
    if (keys.getOrDefault(EXTRA, none()).isArray()) {
      for (JsonNode node : keys.get(EXTRA)) {
        extra.add(token(node, file, EXTRA));
      }
    }
    if (!complete) {
      Path legacy = folder.resolve("added_tokens.json");
      for (Map.Entry<String, JsonNode> entry : object(legacy).properties()) {
        String content = entry.getKey();
        boolean isSpecial =
            special.values().stream().anyMatch(token -> token.content().equals(content))
                || extra.stream().anyMatch(token -> token.content().equals(content));
        if (!entry.getValue().canConvertToInt()) {
          throw new IllegalArgumentException(
              legacy + ": '" + content + "': expected a number, found " + entry.getValue());
        }
        added.put(
            entry.getValue().intValue(),
            new AddedToken(content, false, false, false, !isSpecial, isSpecial));
      }
    }
    return new TokenizerConfig(file, json, type, special, extra, added, complete);
  }

  private static Map<String, AddedToken> special(
      TokenizerClass type, Map<String, JsonNode> keys, Path file) {
    Map<String, String> defaults = type.defaultTokens();
    Map<String, AddedToken> special = new LinkedHashMap<>();
    for (String name : NAMED) {
      JsonNode node = keys.get(name);
      if (node != null && !node.isNull()) {
        special.put(name, token(node, file, name));
      } else if (node == null && defaults.containsKey(name)) {
        special.put(name, AddedToken.special(defaults.get(name)));
      }
    }
    for (Map.Entry<String, JsonNode> entry : keys.entrySet()) {
      if (TokenizerKeys.namesToken(entry.getKey())
          && !NAMED.contains(entry.getKey())
          && AddedToken.isOne(entry.getValue())) {
        special.put(entry.getKey(), token(entry.getValue(), file, entry.getKey()));
      }
    }
    for (String key : List.of(EXTRA, "model_specific_special_tokens")) {
      JsonNode named = keys.getOrDefault(key, none());
      if (named.isObject()) {
        for (Map.Entry<String, JsonNode> entry : named.properties()) {
          special.put(entry.getKey(), token(entry.getValue(), file, key));
        }
      }
    }
    return special;
  }

  /** {@return the special tokens' texts by what they are for} */
  Map<String, String> specialTokens() {
    Map<String, String> texts = new LinkedHashMap<>();
    special.forEach((name, token) -> texts.put(name, token.content()));
    return texts;
  }

  /**
   * {@return the setting {@code key}; {@code fallback} where it is missing or null}
   *
   * @throws IllegalArgumentException if it is neither true nor false
   */
  boolean flag(String key, boolean fallback) {
    JsonNode node = json.path(key);
    if (node.isMissingNode() || node.isNull()) {
      return fallback;
    }
    if (!node.isBoolean()) {
      throw new IllegalArgumentException(
          file + ": " + key + ": expected true or false, found " + node);
    }
    return node.booleanValue();
  }

  /** {@return the longest text, in tokens, that is said to be meant} */
  OptionalInt modelMaxLength() {
    JsonNode node = json.path(json.hasNonNull("model_max_length") ? "model_max_length" : "max_len");
    // what has no limit is written as 1e30
    return node.isNumber() && node.doubleValue() >= 1 && node.doubleValue() < 1e9
        ? OptionalInt.of(node.intValue())
        : OptionalInt.empty();
  }

  /**
   * {@return whether texts are cut at their beginning}
   *
   * @throws IllegalArgumentException if it is neither side
   */
  boolean truncatesLeft() {
    String side = text(json, "truncation_side", file);
    if (side != null && !side.equals("left") && !side.equals("right")) {
      throw new IllegalArgumentException(
          file + ": truncation_side: expected left or right, found " + side);
    }
    return "left".equals(side);
  }

  /** {@return whether a model is told which text of a pair a token is of} */
  boolean givesTypes() {
    JsonNode inputs = json.path("model_input_names");
    if (!inputs.isArray()) {
      return type.givesTypes();
    }
    for (JsonNode input : inputs) {
      if (input.asText().equals("token_type_ids")) {
        return true;
      }
    }
    return false;
  }

  private static int number(String key, Path file) {
    try {
      return Integer.parseUnsignedInt(key);
    } catch (NumberFormatException e) {
      throw new IllegalArgumentException(
          file + ": " + DECODER + ": expected token numbers as keys, found " + key, e);
    }
  }

  private static AddedToken token(JsonNode node, Path file, String key) {
    return AddedToken.of(node, file + ": " + key);
  }

  private static String text(JsonNode json, String key, Path file) {
    JsonNode node = json.path(key);
    if (!node.isMissingNode() && !node.isNull() && !node.isTextual()) {
      throw new IllegalArgumentException(file + ": " + key + ": expected a string, found " + node);
    }
    return node.textValue();
  }

  private static ObjectNode object(Path file) throws IOException {
    JsonNode node = Files.exists(file) ? JsonFiles.read(file) : none();
    if (!(node instanceof ObjectNode object)) {
      throw new IllegalArgumentException(file + ": expected an object");
    }
    return object;
  }

  private static JsonNode none() {
    return JsonNodeFactory.instance.objectNode();
  }
}
