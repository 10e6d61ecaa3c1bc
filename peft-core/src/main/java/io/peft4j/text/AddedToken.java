package io.peft4j.text;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.io.JsonFiles;

/**
 * A token that is looked for in a text before anything else, as {@code added_tokens} of {@code
 * tokenizer.json} and {@code added_tokens_decoder} of {@code tokenizer_config.json} describe it.
 *
 * @param singleWord whether it is found between words only
 * @param lstrip whether blanks before it belong to it
 * @param rstrip whether blanks behind it belong to it
 * @param normalized whether it is looked for in the normalized text
 * @param special whether decoding leaves it out
 */
record AddedToken(
    String content,
    boolean singleWord,
    boolean lstrip,
    boolean rstrip,
    boolean normalized,
    boolean special) {

  /** As a special token's name alone means it. */
  static AddedToken special(String content) {
    return new AddedToken(content, false, false, false, false, true);
  }

  /**
   * {@return whether {@code node} names a token: its text, or an object with its {@code content}}
   */
  static boolean isOne(JsonNode node) {
    return node.isTextual() || node.path("content").isTextual();
  }

  /**
   * @param where what messages call {@code node}
   * @throws IllegalArgumentException if it is neither a string nor an object with {@code content}
   */
  static AddedToken of(JsonNode node, String where) {
    if (!isOne(node)) {
      throw new IllegalArgumentException(
          where + ": expected a token or an object with its content, found " + node);
    }
    if (node.isTextual()) {
      return special(node.textValue());
    }
    boolean special = node.path("special").asBoolean(false);
    return new AddedToken(
        node.get("content").textValue(),
        node.path("single_word").asBoolean(false),
        node.path("lstrip").asBoolean(false),
        node.path("rstrip").asBoolean(false),
        node.path("normalized").asBoolean(!special),
        special);
  }

  AddedToken asSpecial() {
    return new AddedToken(content, singleWord, lstrip, rstrip, normalized, true);
  }

  ObjectNode json(int id) {
    return JsonFiles.MAPPER
        .createObjectNode()
        .put("id", id)
        .put("content", content)
        .put("single_word", singleWord)
        .put("lstrip", lstrip)
        .put("rstrip", rstrip)
        .put("normalized", normalized)
        .put("special", special);
  }
}
