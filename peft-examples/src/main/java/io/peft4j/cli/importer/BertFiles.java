package io.peft4j.cli.importer;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** The JSON files and the vocabulary of a BERT's folder, as Hugging Face has them. */
final class BertFiles {

  private static final JsonMapper JSON = new JsonMapper();

  private BertFiles() {}

  static void writeConfig(Path folder, BertWeights.Dimensions is, int heads) throws IOException {
    if (is.hidden() % heads != 0) {
      throw new IllegalArgumentException(
          String.format(
              Locale.ROOT,
              "expected a number of heads that divides the width %d, found %d",
              is.hidden(),
              heads));
    }
    ObjectNode config = JSON.createObjectNode();
    config.putArray("architectures").add(is.maskedLmHead() ? "BertForMaskedLM" : "BertModel");
    config
        .put("attention_probs_dropout_prob", 0.1)
        .put("hidden_act", "gelu")
        .put("hidden_dropout_prob", 0.1)
        .put("hidden_size", is.hidden())
        .put("initializer_range", 0.02)
        .put("intermediate_size", is.intermediate())
        .put("layer_norm_eps", 1e-12)
        .put("max_position_embeddings", is.positions())
        .put("model_type", "bert")
        .put("num_attention_heads", heads)
        .put("num_hidden_layers", is.layers())
        .put("pad_token_id", 0)
        .put("position_embedding_type", "absolute")
        .put("torch_dtype", "float32")
        .put("type_vocab_size", is.tokenTypes())
        .put("use_cache", true)
        .put("vocab_size", is.vocabulary());
    write(folder.resolve(ModelFolder.CONFIG), config);
  }

  /**
   * Writes the tokenizer's files from a {@code tokenizer.json}, without its padding and truncation:
   * how long a batch is, is for the program to say.
   */
  static void writeTokenizer(Path folder, InputStream tokenizerJson, long vocabularySize)
      throws IOException {
    writeTokenizer(folder, JSON.readTree(tokenizerJson), vocabularySize);
  }

  /** Writes the tokenizer's files from a list of word pieces, the line being the id. */
  static void writeTokenizer(Path folder, List<String> pieces, long vocabularySize)
      throws IOException {
    try (InputStream template = BertFiles.class.getResourceAsStream("bert-tokenizer.json")) {
      JsonNode tokenizer = JSON.readTree(template);
      ObjectNode vocabulary = (ObjectNode) tokenizer.get("model").get("vocab");
      for (int id = 0; id < pieces.size(); id++) {
        vocabulary.put(pieces.get(id), id);
      }
      for (JsonNode token : tokenizer.get("added_tokens")) {
        String content = token.get("content").textValue();
        if (vocabulary.path(content).asInt(-1) != token.get("id").intValue()) {
          throw new IllegalArgumentException(
              String.format(
                  Locale.ROOT,
                  "vocabulary: expected %s at line %s, found %s there",
                  content,
                  token.get("id"),
                  vocabulary.path(content)));
        }
      }
      writeTokenizer(folder, tokenizer, vocabularySize);
    }
  }

  private static void writeTokenizer(Path folder, JsonNode tokenizer, long vocabularySize)
      throws IOException {
    String[] pieces = new String[Math.toIntExact(vocabularySize)];
    JsonNode vocabulary = tokenizer.path("model").path("vocab");
    for (Map.Entry<String, JsonNode> entry : vocabulary.properties()) {
      int id = entry.getValue().asInt(-1);
      if (id < 0 || id >= pieces.length || pieces[id] != null) {
        throw new IllegalArgumentException(
            String.format(
                Locale.ROOT,
                "tokenizer.json: token '%s': expected an id of its own below %d, found %s",
                entry.getKey(),
                pieces.length,
                entry.getValue()));
      }
      pieces[id] = entry.getKey();
    }
    if (vocabulary.size() != pieces.length) {
      throw new IllegalArgumentException(
          String.format(
              Locale.ROOT,
              "tokenizer.json: expected %d tokens, as many as the model has word embeddings, found %d",
              pieces.length,
              vocabulary.size()));
    }
    ObjectNode whole = (ObjectNode) tokenizer;
    whole.putNull("truncation");
    whole.putNull("padding");
    write(folder.resolve(ModelFolder.TOKENIZER), whole);
    Files.writeString(
        folder.resolve(ModelFolder.VOCABULARY),
        String.join("\n", pieces) + "\n",
        StandardCharsets.UTF_8);

    ObjectNode config = JSON.createObjectNode();
    config
        .put("cls_token", "[CLS]")
        .put("do_lower_case", true)
        .put("mask_token", "[MASK]")
        .put("model_max_length", 512)
        .put("pad_token", "[PAD]")
        .put("sep_token", "[SEP]")
        .putNull("strip_accents")
        .put("tokenize_chinese_chars", true)
        .put("tokenizer_class", "BertTokenizer")
        .put("unk_token", "[UNK]");
    write(folder.resolve(ModelFolder.TOKENIZER_CONFIG), config);
  }

  private static void write(Path file, JsonNode json) throws IOException {
    Files.writeString(
        file,
        JSON.writerWithDefaultPrettyPrinter().writeValueAsString(json) + "\n",
        StandardCharsets.UTF_8);
  }
}
