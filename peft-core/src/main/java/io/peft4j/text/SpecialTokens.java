package io.peft4j.text;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import io.peft4j.io.JsonFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The special tokens of a tokenizer by what they are for ({@code bos_token}, {@code eos_token}, …),
 * as {@code tokenizer_config.json} names them, or {@code special_tokens_map.json}.
 */
final class SpecialTokens {

  static final String CONFIG = "tokenizer_config.json";

  private static final List<String> FILES = List.of("special_tokens_map.json", CONFIG);

  private SpecialTokens() {}

  static Map<String, String> read(Path folder) throws IOException {
    Map<String, String> tokens = new LinkedHashMap<>();
    for (String file : FILES) {
      for (Map.Entry<String, JsonNode> entry : json(folder.resolve(file)).properties()) {
        JsonNode value =
            entry.getValue().isObject() ? entry.getValue().path("content") : entry.getValue();
        if (entry.getKey().endsWith("_token") && value.isTextual()) {
          tokens.put(entry.getKey(), value.textValue());
        }
      }
    }
    return tokens;
  }

  /** {@return what {@code file} holds; nothing if it is not there} */
  static JsonNode json(Path file) throws IOException {
    return Files.exists(file) ? JsonFiles.read(file) : JsonNodeFactory.instance.objectNode();
  }
}
