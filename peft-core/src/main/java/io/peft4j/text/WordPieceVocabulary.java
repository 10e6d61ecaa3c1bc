package io.peft4j.text;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/**
 * BERT's tokenizer (Devlin et al., 2018) from its {@code vocab.txt}, one token a line, the line
 * being its number: made into the {@code tokenizer.json} that Hugging Face converts it to.
 */
final class WordPieceVocabulary {

  private static final ObjectMapper JSON = new ObjectMapper();
  private static final List<String> SPECIAL = List.of("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]");

  private WordPieceVocabulary() {}

  /**
   * @param file beside which {@code tokenizer_config.json} may say {@code do_lower_case}, {@code
   *     strip_accents} and {@code tokenize_chinese_chars}
   * @return the text of a tokenizer.json
   * @throws IllegalArgumentException if a special token that BERT needs is missing
   */
  static String read(Path file) throws IOException {
    ObjectNode vocabulary = JSON.createObjectNode();
    int line = 0;
    for (String token : Files.readAllLines(file)) {
      vocabulary.put(token, line++);
    }
    for (String token : List.of("[UNK]", "[CLS]", "[SEP]")) {
      if (!vocabulary.has(token)) {
        throw new IllegalArgumentException(
            file + ": expected a line " + token + ", found none: not BERT's vocabulary");
      }
    }
    ObjectNode tokenizer = JSON.createObjectNode();
    tokenizer.put("version", "1.0").putNull("truncation").putNull("padding");
    var added = tokenizer.putArray("added_tokens");
    for (String token : SPECIAL) {
      if (vocabulary.has(token)) {
        added
            .addObject()
            .put("id", vocabulary.get(token).intValue())
            .put("content", token)
            .put("single_word", false)
            .put("lstrip", false)
            .put("rstrip", false)
            .put("normalized", false)
            .put("special", true);
      }
    }
    JsonNode config = SpecialTokens.json(file.resolveSibling("tokenizer_config.json"));
    JsonNode stripAccents = config.get("strip_accents");
    tokenizer
        .putObject("normalizer")
        .put("type", "BertNormalizer")
        .put("clean_text", true)
        .put("handle_chinese_chars", config.path("tokenize_chinese_chars").asBoolean(true))
        .put("lowercase", config.path("do_lower_case").asBoolean(true))
        .set(
            "strip_accents",
            stripAccents == null ? JsonNodeFactory.instance.nullNode() : stripAccents);
    tokenizer.putObject("pre_tokenizer").put("type", "BertPreTokenizer");
    ObjectNode processor = tokenizer.putObject("post_processor").put("type", "BertProcessing");
    processor.putArray("sep").add("[SEP]").add(vocabulary.get("[SEP]"));
    processor.putArray("cls").add("[CLS]").add(vocabulary.get("[CLS]"));
    tokenizer
        .putObject("model")
        .put("type", "WordPiece")
        .put("unk_token", "[UNK]")
        .put("continuing_subword_prefix", "##")
        .put("max_input_chars_per_word", 100)
        .set("vocab", vocabulary);
    return JSON.writeValueAsString(tokenizer);
  }
}
