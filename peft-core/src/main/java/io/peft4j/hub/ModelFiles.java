package io.peft4j.hub;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.peft4j.io.JsonErrors;
import io.peft4j.io.JsonFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;

/** Which of a repository's files make up a model or an adapter. */
final class ModelFiles {
  static final String CONFIG = "config.json";
  static final String ADAPTER_CONFIG = "adapter_config.json";
  static final String WEIGHTS = "model.safetensors";
  static final String INDEX = "model.safetensors.index.json";
  static final String ADAPTER_WEIGHTS = "adapter_model.safetensors";

  private static final Set<String> TOKENIZERS =
      Set.of(
          "tokenizer.json",
          "vocab.txt",
          "vocab.json",
          "tokenizer.model",
          "spiece.model",
          "sentencepiece.bpe.model");
  private static final Set<String> SMALL =
      Set.of(
          CONFIG,
          ADAPTER_CONFIG,
          "generation_config.json",
          "tokenizer_config.json",
          "special_tokens_map.json",
          "added_tokens.json",
          "merges.txt");
  private static final Pattern TEMPLATE =
      Pattern.compile("(additional_chat_templates/)?[^/:]+\\.jinja");
  private static final Pattern UNSAFE =
      Pattern.compile("(.*/)?\\.{0,2}(/.*)?|.*[\\\\\\x00].*", Pattern.DOTALL);
  private static final Pattern SHARD = Pattern.compile("[^/\\\\:]+\\.safetensors");
  private static final ObjectMapper JSON = JsonFiles.MAPPER;

  /** The most bytes that anything but weights may have: tokenizers come to some 40 MB. */
  private static final long MOST = 256L << 20;

  private ModelFiles() {}

  /** How large a file of that name may be. Weights are as large as the hub says. */
  static long mostBytes(String name) {
    return name.endsWith(".safetensors") ? Long.MAX_VALUE : MOST;
  }

  /** Whether a file of that name, put below a folder, might end up outside it. */
  static boolean isUnsafe(String name) {
    return UNSAFE.matcher(name).matches();
  }

  /** Configuration, tokenizer and chat templates. */
  static List<String> small(Collection<String> available) {
    return available.stream()
        .filter(
            name ->
                SMALL.contains(name)
                    || TOKENIZERS.contains(name)
                    || TEMPLATE.matcher(name).matches())
        .sorted()
        .toList();
  }

  /**
   * @throws HubException if {@code available} has no configuration or no safetensors weights
   */
  static void check(ModelId id, Collection<String> available) throws HubException {
    boolean model = available.contains(CONFIG);
    boolean adapter = available.contains(ADAPTER_CONFIG);
    if (!model && !adapter) {
      throw new HubException(id + " has neither " + CONFIG + " nor " + ADAPTER_CONFIG);
    }
    boolean weights = available.contains(WEIGHTS) || available.contains(INDEX);
    if (!(model && weights) && !(adapter && available.contains(ADAPTER_WEIGHTS))) {
      List<String> others =
          available.stream()
              .filter(name -> name.matches(".*\\.(bin|pt|pth|h5|msgpack|gguf)"))
              .toList();
      throw new HubException(
          id
              + " has no "
              + (model ? WEIGHTS : ADAPTER_WEIGHTS)
              + (others.isEmpty() ? "" : "; weights in other formats are not read: " + others));
    }
  }

  /**
   * The weights. As in transformers, one whole file goes before an index.
   *
   * @param folder where the index lies, if {@code available} has it and no whole file
   */
  static Set<String> weights(Collection<String> available, Path folder) throws IOException {
    Set<String> weights = new TreeSet<>();
    if (available.contains(WEIGHTS)) {
      weights.add(WEIGHTS);
    } else if (available.contains(INDEX)) {
      weights.addAll(shards(folder.resolve(INDEX)));
    }
    if (available.contains(ADAPTER_WEIGHTS)) {
      weights.add(ADAPTER_WEIGHTS);
    }
    return weights;
  }

  /** Whether {@code folder} has a configuration and all its weights. */
  static boolean isUsable(Path folder) throws IOException {
    boolean adapter = has(folder, ADAPTER_CONFIG) && has(folder, ADAPTER_WEIGHTS);
    if (!has(folder, CONFIG)) {
      return adapter;
    }
    if (has(folder, WEIGHTS) || !has(folder, INDEX)) {
      return has(folder, WEIGHTS) || adapter;
    }
    return shards(folder.resolve(INDEX)).stream().allMatch(shard -> has(folder, shard));
  }

  /** Whether {@code folder} has a tokenizer, or is an adapter, which needs none of its own. */
  static boolean hasTokenizer(Path folder) {
    return has(folder, ADAPTER_CONFIG) || TOKENIZERS.stream().anyMatch(name -> has(folder, name));
  }

  private static boolean has(Path folder, String name) {
    return Files.isRegularFile(folder.resolve(name));
  }

  private static Set<String> shards(Path index) throws IOException {
    JsonNode map;
    try {
      map = JSON.readTree(index.toFile()).path("weight_map");
    } catch (JsonProcessingException e) {
      throw new HubException(index + " is not JSON: " + JsonErrors.sentence(e), e);
    }
    Set<String> shards = new TreeSet<>();
    for (JsonNode shard : map) {
      String name = shard.asText();
      if (!SHARD.matcher(name).matches()) {
        throw new HubException(
            index + " names the shard '" + name + "', which is no file beside it");
      }
      shards.add(name);
    }
    if (shards.isEmpty()) {
      throw new HubException(index + " has no weight_map");
    }
    return shards;
  }
}
