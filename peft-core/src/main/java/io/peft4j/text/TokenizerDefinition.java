package io.peft4j.text;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.io.GitLfs;
import io.peft4j.io.JsonFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * A folder's tokenizer as transformers 5.18 has it: {@code tokenizer.json}, or a vocabulary alone,
 * with the settings beside it laid over it.
 *
 * @param file what the vocabulary was read from
 * @param config what stood beside it
 * @param json the whole, in the format of {@code tokenizer.json}
 */
record TokenizerDefinition(Path file, TokenizerConfig config, ObjectNode json) {

  private static final ObjectMapper JSON = JsonFiles.MAPPER;
  private static final String FILE = "tokenizer.json";
  private static final String LINES = "vocab.txt";
  private static final String NUMBERS = "vocab.json";
  private static final String MERGES = "merges.txt";

  /** {@return whether a folder's tokenizer is BERT's vocabulary alone} */
  static boolean isBertVocabulary(Path folder) {
    return !Files.exists(folder.resolve(FILE)) && Files.exists(folder.resolve(LINES));
  }

  /** {@return whether a folder has a tokenizer that can be read} */
  static boolean isIn(Path folder) {
    return Files.exists(folder.resolve(FILE))
        || Files.exists(folder.resolve(LINES))
        || Files.exists(folder.resolve(NUMBERS)) && Files.exists(folder.resolve(MERGES));
  }

  /**
   * @throws NoSuchFileException if the folder has none
   * @throws IllegalArgumentException if a file does not hold what it should
   */
  static TokenizerDefinition read(Path folder) throws IOException {
    return read(folder, folder);
  }

  /**
   * @param model the folder of the model's {@code config.json}, where {@code folder} has none
   */
  static TokenizerDefinition read(Path folder, Path model) throws IOException {
    if (!isIn(folder)) {
      throw new NoSuchFileException(
          folder.toString(),
          null,
          "expected "
              + FILE
              + " or "
              + LINES
              + ", or "
              + NUMBERS
              + " with "
              + MERGES
              + ", found none");
    }
    TokenizerConfig config = TokenizerConfig.read(folder, model);
    Path file = folder.resolve(FILE);
    boolean whole = Files.exists(file);
    JsonNode read;
    if (whole) {
      read = tree(file);
    } else if (Files.exists(folder.resolve(LINES))) {
      file = folder.resolve(LINES);
      read = WordPieceVocabulary.read(file);
    } else {
      file = folder.resolve(NUMBERS);
      read = vocabularyAndMerges(file, folder.resolve(MERGES));
    }
    if (!(read instanceof ObjectNode tree) || !tree.path("model").isObject()) {
      throw new IllegalArgumentException(
          file + ": not a tokenizer: expected an object with the key model");
    }
    return new TokenizerDefinition(file, config, laidOver(file, tree, config, whole));
  }

  private static JsonNode tree(Path file) throws IOException {
    try {
      return JsonFiles.read(file);
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException(file + ": not a tokenizer: " + e.getMessage(), e);
    }
  }

  private static ObjectNode vocabularyAndMerges(Path numbers, Path merges) throws IOException {
    ObjectNode tree = JSON.createObjectNode();
    ObjectNode model = tree.putObject("model").put("type", "BPE");
    model.set("vocab", JsonFiles.read(numbers));
    var pairs = model.putArray("merges");
    GitLfs.refusePointer(merges);
    for (String line : Files.readAllLines(merges)) {
      if (!line.startsWith("#version") && !line.isEmpty()) {
        String[] parts = line.split(" ", -1);
        if (parts.length != 2) {
          throw new IllegalArgumentException(
              merges + ": expected two tokens a line, found '" + line + "'");
        }
        pairs.addArray().add(parts[0]).add(parts[1]);
      }
    }
    return tree;
  }

  private static ObjectNode laidOver(
      Path file, ObjectNode tree, TokenizerConfig config, boolean whole) {
    TokenizerClass type = config.type();
    if (type == TokenizerClass.AS_IS && !whole) {
      throw new IllegalArgumentException(
          file
              + ": expected tokenizer_config.json or config.json to name a class that a vocabulary"
              + " alone is enough for, found "
              + type.label);
    }
    ObjectNode made =
        type == TokenizerClass.AS_IS ? tree : TokenizerBuilder.build(file, tree, config);
    AddedVocabulary vocabulary = new AddedVocabulary(made.path("model").path("vocab"));
    List<AddedToken> inFile = new ArrayList<>();
    SortedMap<Integer, AddedToken> all = new TreeMap<>(config.added());
    for (JsonNode node : tree.path("added_tokens")) {
      AddedToken token = AddedToken.of(node, file + ": added_tokens");
      inFile.add(token);
      if (!config.complete()) {
        all.put(node.path("id").asInt(), token);
      }
    }
    if (type == TokenizerClass.AS_IS) {
      inFile.forEach(vocabulary::add);
    }
    add(vocabulary, all, config);
    if (type == TokenizerClass.QWEN2) {
      for (AddedToken token : named(config)) {
        vocabulary.add(AddedToken.special(token.content()));
      }
    }
    made.remove("added_tokens");
    vocabulary.write(made.putArray("added_tokens"));
    made.putNull("truncation").putNull("padding");
    // with a tokenizer.json transformers does not look at these two
    boolean bos = !whole && config.flag("add_bos_token", false);
    boolean eos = !whole && config.flag("add_eos_token", false);
    boolean said =
        !whole && (config.json().has("add_bos_token") || config.json().has("add_eos_token"));
    if (said || type == TokenizerClass.GPT_NEOX || !made.path("post_processor").isObject()) {
      made.set("post_processor", TokenizerBuilder.beginningAndEnd(config, bos, eos, vocabulary));
    }
    TokenizerBuilder.ownProcessor(config, vocabulary).ifPresent(p -> made.set("post_processor", p));
    return made;
  }

  /** Adds in the order of transformers, which decides about the numbers of new tokens. */
  private static void add(
      AddedVocabulary vocabulary, SortedMap<Integer, AddedToken> all, TokenizerConfig config) {
    Map<String, AddedToken> more = new LinkedHashMap<>();
    List<AddedToken> fresh =
        all.values().stream().filter(token -> !vocabulary.tokens().contains(token)).toList();
    List<String> found = new ArrayList<>();
    vocabulary.tokens().forEach(token -> found.add(token.content()));
    fresh.forEach(token -> found.add(token.content()));
    for (AddedToken token : named(config)) {
      if (!found.contains(token.content())) {
        more.putIfAbsent(token.content(), token.asSpecial());
      }
    }
    List<String> names = config.special().values().stream().map(AddedToken::content).toList();
    for (AddedToken token : fresh) {
      vocabulary.add(names.contains(token.content()) ? token.asSpecial() : token);
    }
    more.values().forEach(vocabulary::add);
  }

  private static List<AddedToken> named(TokenizerConfig config) {
    List<AddedToken> tokens = new ArrayList<>(config.special().values());
    tokens.addAll(config.extra());
    return tokens;
  }

  /**
   * {@return whether blanks before marks are taken out of decoded text} Not with a BPE, whose
   * blanks are the text's own, unless that is asked for.
   */
  boolean cleansBlanks() {
    return config.flag("clean_up_tokenization_spaces", false)
        && (!json.path("model").path("type").asText().equals("BPE")
            || config.flag(
                "clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output", false));
  }

  /** {@return the number of the token {@code content}, added or not} */
  OptionalInt number(String content) {
    for (JsonNode token : json.path("added_tokens")) {
      if (token.path("content").asText().equals(content)) {
        return OptionalInt.of(token.path("id").asInt());
      }
    }
    JsonNode id = json.path("model").path("vocab").path(content);
    return id.isInt() ? OptionalInt.of(id.intValue()) : OptionalInt.empty();
  }
}
