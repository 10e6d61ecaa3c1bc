package io.peft4j.server;

import io.peft4j.generate.GenerationConfig;
import java.time.Duration;
import java.util.List;
import java.util.Objects;

/**
 * What is to be generated.
 *
 * @param adapter the adapter's name; null for the base
 * @param prompts token numbers
 * @param n sequences for each prompt
 * @param config how to choose tokens and when to stop, stop strings among that
 * @param logprobs how many of the likeliest tokens are told of each place, besides the one that was
 *     chosen; null for no log-probabilities at all
 * @param time after which it ends with what there is
 */
public record TextRequest(
    String adapter,
    List<int[]> prompts,
    int n,
    GenerationConfig config,
    Integer logprobs,
    Duration time) {

  public TextRequest {
    prompts = List.copyOf(prompts);
    Objects.requireNonNull(config, "config");
    Objects.requireNonNull(time, "time");
    if (prompts.isEmpty() || n < 1) {
      throw new IllegalArgumentException("expected a prompt and a sequence at least, found none");
    }
  }

  /** One sequence after one prompt, without log-probabilities. */
  public TextRequest(String adapter, int[] prompt, GenerationConfig config, Duration time) {
    this(adapter, List.of(prompt), 1, config, null, time);
  }
}
