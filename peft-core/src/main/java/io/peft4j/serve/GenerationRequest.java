package io.peft4j.serve;

import io.peft4j.generate.GenerationConfig;
import java.time.Duration;
import java.util.Map;

/**
 * A prompt to be continued. Immutable.
 *
 * <pre>{@code
 * GenerationRequest.builder(tokens).adapter("legal").config(config).listener(this::send).build()
 * }</pre>
 */
public final class GenerationRequest implements ServeRequest {

  /** The most that {@link Builder#logprobs} gives. */
  public static final int MOST_LOGPROBS = 20;

  private final int[] prompt;
  private final String adapter;
  private final GenerationConfig config;
  private final int logprobs;
  private final Duration deadline;
  private final TokenListener listener;
  private final Map<String, String> attributes;

  private GenerationRequest(Builder builder) {
    this.prompt = builder.prompt;
    this.adapter = builder.adapter;
    this.config = builder.config;
    this.logprobs = builder.logprobs;
    this.deadline = builder.deadline;
    this.listener = builder.listener;
    this.attributes = builder.attributes;
  }

  /**
   * {@return a request for the base, greedy, without deadline}
   *
   * @param prompt token numbers, at least one
   */
  public static Builder builder(int... prompt) {
    return new Builder(prompt.clone());
  }

  @Override
  public String adapter() {
    return adapter;
  }

  @Override
  public int[] tokens() {
    return prompt;
  }

  @Override
  public Map<String, String> attributes() {
    return attributes;
  }

  public GenerationConfig config() {
    return config;
  }

  /** {@return how many of the likeliest tokens are told with each; -1 for no logprobs at all} */
  public int logprobs() {
    return logprobs;
  }

  /** {@return how long after it was made it ends, whatever has come; null for never} */
  public Duration deadline() {
    return deadline;
  }

  /** {@return who hears of each token; null for nobody} */
  public TokenListener listener() {
    return listener;
  }

  /** Makes a request. */
  public static final class Builder {
    private final int[] prompt;
    private String adapter;
    private GenerationConfig config = GenerationConfig.greedy();
    private int logprobs = -1;
    private Duration deadline;
    private TokenListener listener;
    private Map<String, String> attributes = Map.of();

    private Builder(int[] prompt) {
      this.prompt = prompt;
    }

    /**
     * @param value a registered adapter; null for the one that the router's chooser names, or the
     *     base
     */
    public Builder adapter(String value) {
      adapter = value;
      return this;
    }

    /**
     * @param value for one sequence, without {@code guidance_scale}; stop strings need a router
     *     with a codec
     */
    public Builder config(GenerationConfig value) {
      config = value;
      return this;
    }

    /**
     * @param top how many of the likeliest tokens to tell with each token and its logprob, from 0
     *     to {@value GenerationRequest#MOST_LOGPROBS}
     */
    public Builder logprobs(int top) {
      if (top < 0 || top > MOST_LOGPROBS) {
        throw new IllegalArgumentException(
            "logprobs: expected 0 to " + MOST_LOGPROBS + ", found " + top);
      }
      logprobs = top;
      return this;
    }

    public Builder deadline(Duration value) {
      deadline = value;
      return this;
    }

    public Builder listener(TokenListener value) {
      listener = value;
      return this;
    }

    /**
     * @param value what the router's chooser may look at
     */
    public Builder attributes(Map<String, String> value) {
      attributes = Map.copyOf(value);
      return this;
    }

    public GenerationRequest build() {
      if (prompt.length == 0) {
        throw new IllegalArgumentException("prompt: expected at least one token, found none");
      }
      return new GenerationRequest(this);
    }
  }
}
