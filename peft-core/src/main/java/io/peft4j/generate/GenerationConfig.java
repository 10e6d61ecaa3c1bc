package io.peft4j.generate;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.io.JsonFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * How to choose tokens and when to stop: the keys of {@code generation_config.json}, with the
 * meaning and, where they are absent, the defaults that transformers gives them. Immutable.
 *
 * <pre>{@code
 * GenerationConfig.of(folder).withMaxNewTokens(64).with("no_repeat_ngram_size", 3)
 * }</pre>
 */
public final class GenerationConfig {

  private static final Logger LOGGER = LoggerFactory.getLogger(GenerationConfig.class);
  private static final ObjectMapper JSON = JsonFiles.MAPPER;
  private static final String FILE = "generation_config.json";

  /** What transformers adds to a prompt where nothing says how much. */
  private static final int DEFAULT_NEW_TOKENS = 20;

  private final ObjectNode json;
  private final long seed;

  /** Takes what is not null of {@code given}. */
  private GenerationConfig(ObjectNode given, long seed) {
    this.json = JsonNodeFactory.instance.objectNode();
    for (var entry : given.properties()) {
      if (!entry.getValue().isNull()) {
        json.set(entry.getKey(), entry.getValue());
      }
    }
    this.seed = seed;
    GenerationKeys.check(json);
  }

  /** {@return transformers' defaults: greedy, 20 tokens, nothing that ends a sequence earlier} */
  public static GenerationConfig defaults() {
    return new GenerationConfig(JsonNodeFactory.instance.objectNode(), 42);
  }

  /** {@return greedy, 128 tokens at most, nothing that ends a sequence earlier} */
  public static GenerationConfig greedy() {
    return defaults().withMaxNewTokens(128);
  }

  /**
   * What a model's folder recommends in {@code generation_config.json}; where there is no such
   * file, what {@code config.json} has of its keys.
   *
   * @throws IOException if a file cannot be read
   * @throws IllegalArgumentException if a file is not what it should be, or asks for what is not
   *     supported, such as beam search; the message names file and key
   */
  public static GenerationConfig of(Path folder) throws IOException {
    return of(folder, JsonNodeFactory.instance.objectNode());
  }

  /**
   * As {@link #of(Path)}, with other values for some keys, so that what a folder asks for need not
   * be supported.
   *
   * @param over keys of {@code generation_config.json}; null for transformers' default
   */
  public static GenerationConfig of(Path folder, ObjectNode over) throws IOException {
    over.fieldNames().forEachRemaining(GenerationConfig::checkKnown);
    boolean own = Files.exists(folder.resolve(FILE));
    Path file = folder.resolve(own ? FILE : "config.json");
    JsonNode read = JsonFiles.read(file);
    if (!(read instanceof ObjectNode found)) {
      throw new IllegalArgumentException(file + ": expected an object, found " + read);
    }
    List<String> unknown = GenerationKeys.unknown(found);
    if (!own) {
      found.retain(GenerationKeys.ALL.keySet());
    } else if (!unknown.isEmpty()) {
      LOGGER.warn("{}: keys without a meaning for generation, not used: {}", file, unknown);
    }
    found.setAll(over);
    try {
      return new GenerationConfig(found, defaults().seed);
    } catch (IllegalArgumentException e) {
      String key = e.getMessage().substring(0, e.getMessage().indexOf(':'));
      throw over.has(key) ? e : new IllegalArgumentException(file + ": " + e.getMessage(), e);
    }
  }

  /**
   * {@return this config with another value}
   *
   * @param key of {@code generation_config.json}
   * @param value a number, a boolean, a text, a list of such or of lists, or null for the default
   * @throws IllegalArgumentException if there is no such key, or its value is not what it should be
   */
  public GenerationConfig with(String key, Object value) {
    checkKnown(key);
    ObjectNode changed = toJson();
    changed.set(key, JSON.valueToTree(value));
    return new GenerationConfig(changed, seed);
  }

  private static void checkKnown(String key) {
    if (!GenerationKeys.ALL.containsKey(key)) {
      throw new IllegalArgumentException(key + ": transformers' GenerationConfig has no such key");
    }
  }

  public GenerationConfig withMaxNewTokens(int value) {
    return with("max_new_tokens", value);
  }

  /** {@return this config, sampling, with these limits on what is drawn from} */
  public GenerationConfig sampling(double temperature, int topK, double topP, double minP) {
    ObjectNode changed = toJson().put("do_sample", true);
    changed.put("temperature", temperature).put("top_k", topK);
    return new GenerationConfig(changed.put("top_p", topP).put("min_p", minP), seed);
  }

  /** {@return this config, taking the likeliest token} */
  public GenerationConfig withoutSampling() {
    return with("do_sample", false);
  }

  public GenerationConfig withRepetitionPenalty(double value) {
    return with("repetition_penalty", value);
  }

  /** {@return this config with texts that end a sequence; they are left out of its text} */
  public GenerationConfig withStopStrings(String... texts) {
    return with("stop_strings", List.of(texts));
  }

  public GenerationConfig withEosTokenIds(Set<Integer> ids) {
    return with("eos_token_id", ids);
  }

  public GenerationConfig withSeed(long value) {
    return new GenerationConfig(json, value);
  }

  /** {@return whether tokens are drawn, rather than the likeliest taken} */
  public boolean doSample() {
    return flag("do_sample");
  }

  /** {@return texts that end a sequence and are left out of its text} */
  public List<String> stopStrings() {
    JsonNode node = json.path("stop_strings");
    if (node.isTextual()) {
      return List.of(node.textValue());
    }
    List<String> all = new ArrayList<>();
    node.forEach(text -> all.add(text.textValue()));
    return List.copyOf(all);
  }

  /** {@return tokens that end a sequence} */
  public Set<Integer> eosTokenIds() {
    return Set.copyOf(ids("eos_token_id"));
  }

  /** {@return how many sequences each prompt gets} */
  public int numReturnSequences() {
    return integer("num_return_sequences", 1);
  }

  /** {@return the seed of the random numbers; each sequence of a list has others} */
  public long seed() {
    return seed;
  }

  /** {@return the keys that are set} */
  public ObjectNode toJson() {
    return json.deepCopy();
  }

  /**
   * {@return how many tokens a sequence has when it is full, its prompt included}
   *
   * @param prompt tokens in the prompt
   * @param context the most that the model takes
   * @throws IllegalArgumentException if {@code max_length} leaves no room after the prompt
   */
  public int limit(int prompt, int context) {
    if (has("max_new_tokens")) {
      return (int) Math.min(Integer.MAX_VALUE, (long) prompt + integer("max_new_tokens", 0));
    }
    if (!has("max_length")) {
      // a prompt that fills the context is answered with what comes next
      return Math.max(prompt + 1, Math.min(prompt + DEFAULT_NEW_TOKENS, context));
    }
    int limit = integer("max_length", 0);
    if (prompt >= limit) {
      throw new IllegalArgumentException(
          "max_length: expected more than the prompt's "
              + prompt
              + " tokens, which it counts too, found "
              + limit
              + " (max_new_tokens does not count them)");
    }
    return limit;
  }

  boolean has(String key) {
    return json.has(key);
  }

  boolean flag(String key) {
    return json.path(key).asBoolean(false);
  }

  int integer(String key, int otherwise) {
    return json.path(key).asInt(otherwise);
  }

  double number(String key, double otherwise) {
    return json.path(key).asDouble(otherwise);
  }

  /** {@return token numbers, whether they stand alone or in a list} */
  Set<Integer> ids(String key) {
    JsonNode node = json.path(key);
    Set<Integer> ids = new LinkedHashSet<>();
    if (node.isInt()) {
      ids.add(node.intValue());
    }
    node.forEach(id -> ids.add(id.intValue()));
    return ids;
  }

  JsonNode get(String key) {
    return json.path(key);
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof GenerationConfig config
        && json.equals(config.json)
        && seed == config.seed;
  }

  @Override
  public int hashCode() {
    return 31 * json.hashCode() + Long.hashCode(seed);
  }

  @Override
  public String toString() {
    return "GenerationConfig" + json + ", seed " + seed;
  }
}
