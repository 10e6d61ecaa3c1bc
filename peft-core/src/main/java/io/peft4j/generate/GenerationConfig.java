package io.peft4j.generate;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.peft4j.io.JsonFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;

/**
 * How to choose tokens and when to stop; names and meaning are those of {@code
 * transformers.GenerationConfig}.
 *
 * @param maxNewTokens most tokens added to a prompt
 * @param doSample whether tokens are drawn, rather than the likeliest taken
 * @param temperature divides the logits, when sampling
 * @param topK only the k likeliest tokens are drawn from; 0 for all
 * @param topP only the likeliest tokens that together have this probability (Holtzman et al.,
 *     2019); 1 for all
 * @param minP only tokens with at least this share of the likeliest one's probability (Nguyen et
 *     al., 2024); 0 for all
 * @param repetitionPenalty divides the positive logits of tokens that occurred, and multiplies the
 *     negative ones (Keskar et al., 2019); 1 for none
 * @param stopStrings texts that end a sequence and are left out of its text
 * @param eosTokenIds tokens that end a sequence
 * @param seed of the random numbers; the same for the same prompt at the same place in the list
 */
public record GenerationConfig(
    int maxNewTokens,
    boolean doSample,
    double temperature,
    int topK,
    double topP,
    double minP,
    double repetitionPenalty,
    List<String> stopStrings,
    Set<Integer> eosTokenIds,
    long seed) {

  private static final ObjectMapper JSON = new ObjectMapper();

  /**
   * @throws IllegalArgumentException if a value is out of range
   */
  public GenerationConfig {
    check(maxNewTokens > 0, "max_new_tokens", "positive", maxNewTokens);
    check(temperature > 0 && Double.isFinite(temperature), "temperature", "positive", temperature);
    check(topK >= 0, "top_k", "0 or more", topK);
    check(topP > 0 && topP <= 1, "top_p", "in (0, 1]", topP);
    check(minP >= 0 && minP <= 1, "min_p", "in [0, 1]", minP);
    check(
        repetitionPenalty > 0 && Double.isFinite(repetitionPenalty),
        "repetition_penalty",
        "positive",
        repetitionPenalty);
    stopStrings = List.copyOf(stopStrings);
    check(stopStrings.stream().noneMatch(String::isEmpty), "stop_strings", "not empty", "''");
    eosTokenIds = Set.copyOf(eosTokenIds);
  }

  private static void check(boolean condition, String key, String expected, Object found) {
    if (!condition) {
      throw new IllegalArgumentException(key + ": expected " + expected + ", found " + found);
    }
  }

  /** {@return greedy, 128 tokens at most, nothing that ends a sequence earlier} */
  public static GenerationConfig greedy() {
    return new GenerationConfig(128, false, 1, 0, 1, 0, 1, List.of(), Set.of(), 42);
  }

  /**
   * What a model's folder recommends in {@code generation_config.json}, its end tokens at least;
   * those of {@code config.json} where there is no such file.
   *
   * @throws IOException if a file cannot be read
   * @throws IllegalArgumentException if a file is not what it should be; the message names it
   */
  public static GenerationConfig of(Path folder) throws IOException {
    Path file = folder.resolve("generation_config.json");
    if (!Files.exists(file)) {
      file = folder.resolve("config.json");
    }
    JsonNode json = JsonFiles.read(file);
    try {
      return of(json);
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException(file + ": " + e.getMessage(), e);
    }
  }

  private static GenerationConfig of(JsonNode json) {
    GenerationConfig defaults = greedy();
    Set<Integer> ends = new TreeSet<>();
    JsonNode eos = json.path("eos_token_id");
    if (eos.isInt()) {
      ends.add(eos.asInt());
    }
    eos.forEach(id -> ends.add(id.asInt()));
    return new GenerationConfig(
        (int) number(json, "max_new_tokens", defaults.maxNewTokens),
        json.path("do_sample").asBoolean(false),
        number(json, "temperature", defaults.temperature),
        (int) number(json, "top_k", defaults.topK),
        number(json, "top_p", defaults.topP),
        number(json, "min_p", defaults.minP),
        number(json, "repetition_penalty", defaults.repetitionPenalty),
        defaults.stopStrings,
        ends,
        defaults.seed);
  }

  private static double number(JsonNode json, String key, double otherwise) {
    JsonNode node = json.path(key);
    if (node.isMissingNode() || node.isNull()) {
      return otherwise;
    }
    check(node.isNumber(), key, "a number", node);
    return node.asDouble();
  }

  public GenerationConfig withMaxNewTokens(int value) {
    return new GenerationConfig(
        value,
        doSample,
        temperature,
        topK,
        topP,
        minP,
        repetitionPenalty,
        stopStrings,
        eosTokenIds,
        seed);
  }

  /** {@return this config, sampling, with these limits on what is drawn from} */
  public GenerationConfig sampling(
      double newTemperature, int newTopK, double newTopP, double newMinP) {
    return choosing(true, newTemperature, newTopK, newTopP, newMinP);
  }

  /** {@return this config, taking the likeliest token} */
  public GenerationConfig withoutSampling() {
    return choosing(false, temperature, topK, topP, minP);
  }

  private GenerationConfig choosing(
      boolean sample, double newTemperature, int newTopK, double newTopP, double newMinP) {
    return new GenerationConfig(
        maxNewTokens,
        sample,
        newTemperature,
        newTopK,
        newTopP,
        newMinP,
        repetitionPenalty,
        stopStrings,
        eosTokenIds,
        seed);
  }

  public GenerationConfig withRepetitionPenalty(double value) {
    return new GenerationConfig(
        maxNewTokens,
        doSample,
        temperature,
        topK,
        topP,
        minP,
        value,
        stopStrings,
        eosTokenIds,
        seed);
  }

  public GenerationConfig withStopStrings(String... texts) {
    return new GenerationConfig(
        maxNewTokens,
        doSample,
        temperature,
        topK,
        topP,
        minP,
        repetitionPenalty,
        List.of(texts),
        eosTokenIds,
        seed);
  }

  public GenerationConfig withEosTokenIds(Set<Integer> ids) {
    return new GenerationConfig(
        maxNewTokens,
        doSample,
        temperature,
        topK,
        topP,
        minP,
        repetitionPenalty,
        stopStrings,
        ids,
        seed);
  }

  public GenerationConfig withSeed(long value) {
    return new GenerationConfig(
        maxNewTokens,
        doSample,
        temperature,
        topK,
        topP,
        minP,
        repetitionPenalty,
        stopStrings,
        eosTokenIds,
        value);
  }
}
