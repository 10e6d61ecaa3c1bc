package io.peft4j.server;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.text.Tokens;
import java.util.List;
import java.util.function.Supplier;

/** What requests of several kinds have in common. */
final class Requests {

  private Requests() {}

  /** {@return how many sequences are wanted of each prompt} */
  static int sequences(Fields fields, int prompts, ServerConfig config) {
    Integer n = fields.integer("n", 1, config.maxSequences());
    checkCount("n", (long) prompts * (n == null ? 1 : n), config);
    return n == null ? 1 : n;
  }

  static void checkCount(String key, long found, ServerConfig config) {
    if (found > config.maxSequences()) {
      throw ApiException.bad(
          key,
          "'"
              + key
              + "': expected at most "
              + config.maxSequences()
              + " sequences in a request, found "
              + found);
    }
  }

  /** {@return whether a stream is to end with how many tokens there were} */
  static boolean usage(Fields fields, boolean streamed) {
    Fields options = fields.object("stream_options");
    if (options == null) {
      return false;
    }
    if (!streamed) {
      throw ApiException.bad("stream_options", "'stream_options' needs 'stream': true");
    }
    boolean usage = options.flag("include_usage");
    options.without("include_obfuscation"); // a padding of OpenAI's own
    options.end();
    return usage;
  }

  /** Keys that are about the caller or OpenAI's own machines. */
  static void withoutEffect(Fields fields) {
    fields.without(
        "user",
        "metadata",
        "store",
        "service_tier",
        "safety_identifier",
        "prompt_cache_key",
        "prompt_cache_retention",
        "prediction");
  }

  /** {@return token numbers that the model knows} */
  static int[] tokens(String key, JsonNode node, int vocabulary) {
    if (!node.isArray() || node.isEmpty()) {
      throw Fields.wrong(key, "a string, or a list of token numbers that is not empty", node);
    }
    int[] tokens = new int[node.size()];
    for (int i = 0; i < tokens.length; i++) {
      JsonNode each = node.get(i);
      if (!each.isInt() || each.intValue() < 0 || each.intValue() >= vocabulary) {
        throw Fields.wrong(key, "token numbers from 0 to " + (vocabulary - 1), each);
      }
      tokens[i] = each.intValue();
    }
    return tokens;
  }

  static void fill(ArrayNode array, float[] numbers) {
    for (float number : numbers) {
      array.add(number);
    }
  }

  static ObjectNode usage(List<Tokens> texts) {
    int tokens = texts.stream().mapToInt(Tokens::length).sum();
    return JsonNodeFactory.instance
        .objectNode()
        .put("prompt_tokens", tokens)
        .put("total_tokens", tokens);
  }

  /** {@return what is encoded, or the refusal of a text that cannot be} */
  static <T> T encoded(String key, Supplier<T> encoding) {
    try {
      return encoding.get();
    } catch (IllegalArgumentException e) {
      throw ApiException.bad(key, withoutPlaces(e.getMessage()));
    }
  }

  /** {@return what is wrong, without the place on the server where it says so} */
  static String withoutPlaces(String message) {
    return String.valueOf(message)
        .replaceAll("(?:[A-Za-z]:)?(?:[/\\\\][^/\\\\:;,'\"]+)+[/\\\\]", "");
  }
}
