package io.peft4j.text;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import java.util.Collection;
import java.util.HashMap;
import java.util.Map;
import java.util.OptionalInt;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * Which numbers added tokens get, by the rules of Hugging Face's library: a token of the vocabulary
 * keeps its number, another one follows the last.
 */
final class AddedVocabulary {

  private final Map<String, Integer> vocabulary = new HashMap<>();
  private final int size;
  private final Map<String, Integer> numbers = new HashMap<>();
  private final SortedMap<Integer, AddedToken> tokens = new TreeMap<>();

  /**
   * @param vocab a tokenizer's {@code model.vocab}: numbers by token, or a list of tokens with
   *     their scores
   */
  AddedVocabulary(JsonNode vocab) {
    if (vocab.isObject()) {
      vocab.properties().forEach(entry -> vocabulary.put(entry.getKey(), entry.getValue().asInt()));
    } else {
      for (int i = 0; i < vocab.size(); i++) {
        vocabulary.put(vocab.get(i).path(0).asText(), i);
      }
    }
    this.size = vocabulary.size();
  }

  void add(AddedToken token) {
    if (token.content().isEmpty() || tokens.containsValue(token)) {
      return;
    }
    int id = number(token.content()).orElseGet(this::next);
    numbers.put(token.content(), id);
    tokens.put(id, token);
  }

  private int next() {
    int last = tokens.isEmpty() ? -1 : tokens.lastKey();
    return Math.max(last + 1, size);
  }

  /** {@return a token's number, added or not} */
  OptionalInt number(String token) {
    Integer id = numbers.getOrDefault(token, vocabulary.get(token));
    return id == null ? OptionalInt.empty() : OptionalInt.of(id);
  }

  Collection<AddedToken> tokens() {
    return tokens.values();
  }

  void write(ArrayNode to) {
    tokens.forEach((id, token) -> to.add(token.json(id)));
  }
}
