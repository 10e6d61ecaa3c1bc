package io.peft4j.text;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Checks a tokenizer before the native library reads it. That library ends the process, rather than
 * the call, on what it does not expect; so every part and key that reaches it is of a kind that was
 * looked at, other keys are left out, and other parts refused.
 */
final class TokenizerCheck {

  private static final int DEPTH = 8;
  private static final int PARTS = 64;
  private static final int TOKEN = 1_000;
  private static final int ADDED = 200_000;

  private final Path file;
  private final List<TokenizerPattern> patterns = new ArrayList<>();
  private double growth = 1;
  private int parts;

  private TokenizerCheck(Path file) {
    this.file = file;
  }

  /**
   * @param json what may be given to the library
   * @param limits what texts may be given to it then
   */
  record Checked(ObjectNode json, TextLimits limits) {}

  /**
   * @throws IllegalArgumentException if the tokenizer holds what the library may not be given; the
   *     message names it
   */
  static Checked check(Path file, ObjectNode tree) {
    TokenizerCheck check = new TokenizerCheck(file);
    ObjectNode made = object().put("version", "1.0").putNull("truncation").putNull("padding");
    made.set("added_tokens", check.added(tree.path("added_tokens")));
    made.set("normalizer", check.optional(tree, "normalizer", TokenizerParts.NORMALIZERS));
    double growth = check.growth;
    made.set("pre_tokenizer", check.optional(tree, "pre_tokenizer", TokenizerParts.PRE_TOKENIZERS));
    made.set("post_processor", check.optional(tree, "post_processor", TokenizerParts.PROCESSORS));
    check.growth = 1;
    made.set("decoder", check.optional(tree, "decoder", TokenizerParts.DECODERS));
    ObjectNode model = check.model(tree.path("model"));
    made.set("model", model);
    return new Checked(
        made, TextLimits.of(check.patterns, growth, model.get("type").asText().equals("Unigram")));
  }

  private static ObjectNode object() {
    return JsonNodeFactory.instance.objectNode();
  }

  private IllegalArgumentException wrong(String at, String expected, JsonNode found) {
    String text = found.isMissingNode() ? "none" : found.toString();
    return new IllegalArgumentException(
        file
            + ": not a tokenizer: "
            + at
            + ": expected "
            + expected
            + ", found "
            + (text.length() > 80 ? text.substring(0, 80) + "…" : text));
  }

  private JsonNode added(JsonNode tokens) {
    long length = 0;
    for (JsonNode token : tokens) {
      String content = token.path("content").asText();
      length += content.length();
      if (content.length() > TOKEN || length > ADDED) {
        throw wrong(
            "added_tokens",
            "tokens of at most " + TOKEN + " characters, all together " + ADDED,
            token.path("content"));
      }
    }
    return tokens;
  }

  private JsonNode optional(ObjectNode parent, String name, Map<String, String> kinds) {
    JsonNode node = parent.path(name);
    if (node.isMissingNode() || node.isNull()) {
      return JsonNodeFactory.instance.nullNode();
    }
    return part(node, name, kinds, 0);
  }

  private ObjectNode part(JsonNode node, String at, Map<String, String> kinds, int depth) {
    String type = node.path("type").asText();
    if (!node.isObject() || !kinds.containsKey(type)) {
      throw wrong(
          at, "an object of a type among " + kinds.keySet().stream().sorted().toList(), node);
    }
    if (depth > DEPTH || ++parts > PARTS) {
      throw wrong(at, "at most " + PARTS + " parts, " + DEPTH + " deep", node.path("type"));
    }
    ObjectNode made = object().put("type", type);
    for (String key : kinds.get(type).isEmpty() ? new String[0] : kinds.get(type).split(" ")) {
      int colon = key.indexOf(':');
      boolean optional = key.endsWith("?");
      String name = key.substring(0, colon);
      String kind = key.substring(colon + 1, key.length() - (optional ? 1 : 0));
      JsonNode value = node.path(name);
      String where = at + "." + name;
      if (kind.equals("l")) {
        var list = made.putArray(name);
        if (!value.isArray()) {
          throw wrong(where, "a list", value);
        }
        for (int i = 0; i < value.size(); i++) {
          list.add(part(value.get(i), where + "[" + i + "]", kinds, depth + 1));
        }
      } else if (!value.isMissingNode() && !value.isNull()) {
        check(where, kind, value);
        made.set(name, value);
      } else if (!optional) {
        throw wrong(where, "a value", value);
      } else if (value.isNull()) {
        made.putNull(name);
      }
    }
    if (type.equals("Replace")) {
      replace(made, at);
    } else if (type.equals("Split")) {
      patterns.add(pattern(made.get("pattern"), at));
    } else if (type.equals("Prepend")) {
      grow(1 + made.get("prepend").asText().length(), at, made);
    } else if (type.equals("TemplateProcessing")) {
      made.setAll(template(node, at));
    } else if (type.equals("Metaspace") && made.path("prepend_scheme").isNull()) {
      made.remove("prepend_scheme");
    }
    return made;
  }

  private void check(String at, String kind, JsonNode value) {
    switch (kind) {
      case "b" -> require(value.isBoolean(), at, "true or false", value);
      case "s" ->
          require(
              value.isTextual() && value.textValue().length() <= TOKEN,
              at,
              "a string of at most " + TOKEN + " characters",
              value);
      case "c" ->
          require(
              value.isTextual() && value.textValue().codePoints().count() == 1,
              at,
              "one character",
              value);
      case "i" -> require(isNumber(value), at, "a number from 0", value);
      case "n" -> require(isNumber(value) && value.intValue() > 0, at, "a number from 1", value);
      case "f" ->
          require(
              value.isNumber() && value.doubleValue() >= 0 && value.doubleValue() <= 1,
              at,
              "a number between 0 and 1",
              value);
      case "t" ->
          require(
              value.isArray()
                  && value.size() == 2
                  && value.get(0).isTextual()
                  && isNumber(value.get(1)),
              at,
              "a token and its number",
              value);
      case "m" ->
          require(
              value.isTextual() && CharsMap.isSound(value.textValue()),
              at,
              "SentencePiece's table of characters",
              value);
      case "p", "x" -> require(value.isContainerNode(), at, "an object or a list", value);
      default ->
          require(List.of(kind.split("/")).contains(value.asText()), at, "one of " + kind, value);
    }
  }

  private void require(boolean sound, String at, String expected, JsonNode found) {
    if (!sound) {
      throw wrong(at, expected, found);
    }
  }

  private static boolean isNumber(JsonNode node) {
    return node.isIntegralNumber() && node.canConvertToInt() && node.intValue() >= 0;
  }

  private void replace(ObjectNode made, String at) {
    TokenizerPattern pattern = pattern(made.get("pattern"), at);
    patterns.add(pattern);
    int content = made.get("content").asText().length();
    grow(pattern.isText() ? content / (double) pattern.source().length() : content, at, made);
  }

  private void grow(double factor, String at, JsonNode found) {
    growth *= Math.max(1, factor);
    if (growth > 1_000) {
      throw wrong(at, "a text to become at most 1,000 times as long", found);
    }
  }

  private TokenizerPattern pattern(JsonNode node, String at) {
    JsonNode text = node.path("String");
    JsonNode regex = node.path("Regex");
    JsonNode one = text.isTextual() ? text : regex;
    if (node.size() != 1 || !one.isTextual() || one.textValue().isEmpty()) {
      throw wrong(at + ".pattern", "a String or a Regex", node);
    }
    try {
      return TokenizerPattern.of(one.textValue(), text.isTextual());
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException(
          file + ": not a tokenizer: " + at + ".pattern: " + e.getMessage(), e);
    }
  }

  private ObjectNode template(JsonNode node, String at) {
    ObjectNode made = object();
    Set<String> known = new HashSet<>();
    ObjectNode special = object();
    for (Map.Entry<String, JsonNode> entry : node.get("special_tokens").properties()) {
      JsonNode token = entry.getValue();
      JsonNode ids = token.path("ids");
      JsonNode tokens = token.path("tokens");
      boolean sound =
          token.path("id").asText().equals(entry.getKey())
              && ids.isArray()
              && tokens.isArray()
              && !ids.isEmpty()
              && ids.size() == tokens.size()
              && ids.size() <= PARTS;
      for (int i = 0; sound && i < ids.size(); i++) {
        sound = isNumber(ids.get(i)) && tokens.get(i).isTextual();
      }
      require(sound, at + ".special_tokens", "a token with its ids and tokens", token);
      ObjectNode entryMade = special.putObject(entry.getKey()).put("id", entry.getKey());
      entryMade.set("ids", ids);
      entryMade.set("tokens", tokens);
      known.add(entry.getKey());
    }
    for (String name : List.of("single", "pair")) {
      JsonNode pieces = node.get(name);
      require(pieces.isArray() && pieces.size() <= PARTS, at + "." + name, "a list", pieces);
      var list = made.putArray(name);
      List<String> texts = new ArrayList<>();
      for (JsonNode piece : pieces) {
        boolean text = piece.has("Sequence");
        JsonNode inner = piece.path(text ? "Sequence" : "SpecialToken");
        String id = inner.path("id").asText();
        require(
            piece.size() == 1
                && isNumber(inner.path("type_id"))
                && (text ? id.equals("A") || id.equals("B") : known.contains(id)),
            at + "." + name,
            "texts A and B, and tokens of special_tokens",
            piece);
        list.addObject()
            .putObject(text ? "Sequence" : "SpecialToken")
            .put("id", id)
            .put("type_id", inner.get("type_id").intValue());
        if (text) {
          texts.add(id);
        }
      }
      require(
          name.equals("single")
              ? texts.equals(List.of("A"))
              : texts.size() == 2 && texts.containsAll(List.of("A", "B")),
          at + "." + name,
          "each text once",
          pieces);
    }
    made.set("special_tokens", special);
    return made;
  }

  private ObjectNode model(JsonNode node) {
    require(node.isObject(), "model", "an object", node);
    ObjectNode given = node.deepCopy();
    if (!given.has("type")) {
      given.put("type", guess(given)); // as older files have it
    }
    if (given.path("type").asText().equals("WordPiece") && !given.has("max_input_chars_per_word")) {
      given.put("max_input_chars_per_word", 100);
    }
    ObjectNode model = part(given, "model", TokenizerParts.MODELS, 0);
    JsonNode vocab = model.get("vocab");
    String type = model.get("type").asText();
    if (type.equals("Unigram")) {
      require(vocab.isArray() && !vocab.isEmpty(), "model.vocab", "a list", vocab);
      for (JsonNode entry : vocab) {
        require(
            entry.isArray()
                && entry.size() == 2
                && entry.get(0).isTextual()
                && entry.get(1).isNumber()
                && Math.abs(entry.get(1).doubleValue()) < 1e30,
            "model.vocab",
            "tokens with scores",
            entry);
      }
      JsonNode unknown = model.path("unk_id");
      require(
          !unknown.isInt() || unknown.intValue() < vocab.size(),
          "model.unk_id",
          "a number below " + vocab.size(),
          unknown);
      return model;
    }
    require(vocab.isObject(), "model.vocab", "an object", vocab);
    for (Map.Entry<String, JsonNode> entry : vocab.properties()) {
      require(isNumber(entry.getValue()), "model.vocab", "token numbers", entry.getValue());
    }
    if (type.equals("BPE")) {
      merges(model, vocab);
    }
    return model;
  }

  private static String guess(ObjectNode model) {
    if (model.has("merges")) {
      return "BPE";
    }
    if (model.path("vocab").isArray()) {
      return "Unigram";
    }
    return model.has("continuing_subword_prefix") ? "WordPiece" : "WordLevel";
  }

  private void merges(ObjectNode model, JsonNode vocab) {
    String prefix = model.path("continuing_subword_prefix").asText("");
    prefix = model.path("continuing_subword_prefix").isNull() ? "" : prefix;
    require(
        prefix.chars().allMatch(c -> c < 128),
        "model.continuing_subword_prefix",
        "ASCII characters",
        model.path("continuing_subword_prefix"));
    require(model.get("merges").isArray(), "model.merges", "a list", model.get("merges"));
    for (JsonNode merge : model.get("merges")) {
      boolean pair = merge.isArray() && merge.size() == 2;
      boolean textual = pair && merge.get(0).isTextual() && merge.get(1).isTextual();
      require(textual || merge.isTextual(), "model.merges", "two tokens", merge);
      String[] parts =
          pair
              ? new String[] {merge.get(0).textValue(), merge.get(1).textValue()}
              : merge.textValue().split(" ", -1);
      require(
          parts.length == 2
              && vocab.has(parts[0])
              && vocab.has(parts[1])
              && parts[1].startsWith(prefix)
              && vocab.has(parts[0] + parts[1].substring(prefix.length())),
          "model.merges",
          "two tokens of the vocabulary that make a third",
          merge);
    }
  }
}
