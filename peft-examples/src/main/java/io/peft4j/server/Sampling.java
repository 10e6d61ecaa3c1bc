package io.peft4j.server;

import com.fasterxml.jackson.databind.JsonNode;
import io.peft4j.generate.GenerationConfig;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ThreadLocalRandom;

/**
 * How a request of OpenAI's API asks for tokens to be chosen, as a config of transformers'. What it
 * does not say is as the model's folder recommends; else as OpenAI's API has it: drawn, at
 * temperature 1, from all tokens. {@code top_k}, {@code min_p}, {@code repetition_penalty} and
 * {@code min_tokens} are those of vLLM's server.
 */
final class Sampling {

  private static final int STOPS = 16;

  private Sampling() {}

  /** {@return the config, but for the number of tokens} */
  static GenerationConfig config(Fields fields, GenerationConfig defaults) {
    fields.only("presence_penalty", "0");
    fields.only("frequency_penalty", "0");
    fields.only("logit_bias", "{}");
    GenerationConfig config = drawn(fields, defaults);
    Double penalty = fields.number("repetition_penalty", 0.01, 100);
    if (penalty != null) {
      config = config.withRepetitionPenalty(penalty);
    }
    Integer least = fields.integer("min_tokens", 0, Integer.MAX_VALUE);
    if (least != null && least > 0) {
      config = config.with("min_new_tokens", least);
    }
    List<String> stops = new ArrayList<>(config.stopStrings());
    stops.addAll(fields.texts("stop", STOPS));
    if (!stops.isEmpty()) {
      config = config.with("stop_strings", stops);
    }
    Long seed = fields.whole("seed", Long.MIN_VALUE, Long.MAX_VALUE);
    return config.withSeed(seed == null ? ThreadLocalRandom.current().nextLong() : seed);
  }

  private static GenerationConfig drawn(Fields fields, GenerationConfig defaults) {
    Double temperature = fields.number("temperature", 0, 2);
    Double topP = fields.number("top_p", 0, 1);
    Integer topK = fields.integer("top_k", -1, Integer.MAX_VALUE);
    Double minP = fields.number("min_p", 0, 1);
    JsonNode recommended = defaults.toJson();
    boolean greedy =
        temperature == null
            ? recommended.path("do_sample").isBoolean() && !defaults.doSample()
            : temperature == 0;
    if (greedy || (topP != null && topP == 0)) {
      return defaults
          .withoutSampling()
          .with("temperature", null)
          .with("top_p", null)
          .with("top_k", null)
          .with("min_p", null);
    }
    GenerationConfig config = defaults.with("do_sample", true);
    if (temperature != null) {
      config = config.with("temperature", temperature);
    }
    if (topP != null) {
      config = config.with("top_p", topP);
    }
    if (topK != null) {
      config = config.with("top_k", Math.max(0, topK)); // -1 is vLLM's word for all
    } else if (!recommended.has("top_k")) {
      config = config.with("top_k", 0);
    }
    return minP == null ? config : config.with("min_p", minP);
  }

  /**
   * {@return how many tokens may follow the longest of the prompts}
   *
   * @param asked null for {@code otherwise}, or as many as there is room for
   * @param key by which it was asked
   */
  static int tokens(
      String key, Integer asked, int otherwise, List<int[]> prompts, ServedModel served, int most) {
    int longest = prompts.stream().mapToInt(prompt -> prompt.length).max().orElse(0);
    int room = served.maxLength() - longest;
    if (longest == 0 || prompts.stream().anyMatch(prompt -> prompt.length == 0)) {
      throw ApiException.bad("prompt", "the prompt is empty");
    }
    if (room < 1 || (asked != null && asked > room)) {
      throw ApiException.tooLong(
          asked == null ? "prompt" : key,
          "the prompt has "
              + longest
              + " tokens"
              + (asked == null ? "" : ", and " + asked + " more are asked for")
              + "; the model takes "
              + served.maxLength()
              + " in all");
    }
    if (asked != null && asked > most) {
      throw ApiException.bad(
          key, "'" + key + "': expected at most " + most + ", this server's limit, found " + asked);
    }
    return asked == null ? Math.min(Math.min(otherwise, room), most) : asked;
  }
}
