package io.peft4j.generate;

import io.peft4j.model.CausalLm;
import io.peft4j.model.Decoding;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/**
 * Continues prompts with a causal language model. Prompts of unequal length run together, and a
 * sequence that has ended is no longer computed.
 *
 * <p>Not thread-safe.
 */
public final class Generator {

  private final CausalLm model;
  private final Codec codec;

  /** A generator of tokens only. */
  public Generator(CausalLm model) {
    this(model, null);
  }

  /**
   * @param codec for texts, stop strings and streaming; null for tokens only
   */
  public Generator(CausalLm model, Codec codec) {
    this.model = model;
    this.codec = codec;
  }

  /** {@return what comes after each of {@code prompts}} */
  public List<Generated> generateTexts(List<String> prompts, GenerationConfig config) {
    return generateTexts(prompts, config, (prompt, token, text) -> {});
  }

  /** As {@link #generateTexts(List, GenerationConfig)}, telling {@code listener} as it comes. */
  public List<Generated> generateTexts(
      List<String> prompts, GenerationConfig config, GenerationListener listener) {
    if (codec == null) {
      throw new IllegalStateException("generating from text needs a codec");
    }
    return generate(prompts.stream().map(codec::encode).toList(), config, listener);
  }

  /**
   * Continues token sequences.
   *
   * @return one result a prompt, in their order
   * @throws IllegalArgumentException if a prompt is empty or longer than the model takes, or there
   *     are stop strings and no codec
   */
  public List<Generated> generate(
      List<int[]> prompts, GenerationConfig config, GenerationListener listener) {
    return generate(prompts, config, listener, 0);
  }

  /**
   * As {@link #generate(List, GenerationConfig, GenerationListener)}, for a part of a longer list:
   * what is drawn does not depend on how the list was parted.
   *
   * @param first the number of the first prompt in the whole list
   */
  public List<Generated> generate(
      List<int[]> prompts, GenerationConfig config, GenerationListener listener, int first) {
    if (codec == null && !config.stopStrings().isEmpty()) {
      throw new IllegalArgumentException("stop_strings need a codec");
    }
    List<Row> rows = new ArrayList<>();
    for (int i = 0; i < prompts.size(); i++) {
      rows.add(new Row(i, first + i, prompts.get(i), config));
    }
    List<Row> running = new ArrayList<>(rows);
    try (Decoding decoding = model.start(prompts)) {
      while (true) {
        for (int i = 0; i < running.size(); i++) {
          running.get(i).add(decoding.logits()[i], listener);
        }
        int[] left = unfinished(running);
        if (left.length == 0) {
          return rows.stream().map(Row::result).toList();
        }
        if (left.length < running.size()) {
          decoding.keep(left);
          running.removeIf(row -> row.finish != null);
        }
        decoding.append(running.stream().mapToInt(Row::last).toArray());
      }
    }
  }

  private static int[] unfinished(List<Row> rows) {
    return IntStream.range(0, rows.size()).filter(i -> rows.get(i).finish == null).toArray();
  }

  /** One sequence. */
  private final class Row {
    private final int number;
    private final int promptLength;
    private final GenerationConfig config;
    private final TokenChooser chooser;
    private final GrowingText text;
    private int[] tokens = {};
    private Generated.Finish finish;

    Row(int number, int place, int[] prompt, GenerationConfig config) {
      this.number = number;
      this.promptLength = prompt.length;
      this.config = config;
      this.chooser = new TokenChooser(config, prompt, place);
      this.text = codec == null ? null : new GrowingText(codec, config.stopStrings(), prompt);
    }

    void add(float[] logits, GenerationListener listener) {
      int token = chooser.choose(logits);
      tokens = Arrays.copyOf(tokens, tokens.length + 1);
      tokens[tokens.length - 1] = token;
      String news = "";
      boolean ended = config.eosTokenIds().contains(token);
      if (text != null) {
        int[] shown = ended ? Arrays.copyOf(tokens, tokens.length - 1) : tokens;
        news = text.update(shown);
      }
      if (ended) {
        finish = Generated.Finish.END_TOKEN;
      } else if (text != null && text.stopped()) {
        finish = Generated.Finish.STOP_STRING;
      } else if (tokens.length == config.maxNewTokens()) {
        finish = Generated.Finish.LENGTH;
      } else if (promptLength + tokens.length > model.maxLength()) {
        finish = Generated.Finish.CONTEXT;
      }
      if (finish != null && text != null) {
        news += text.finish();
      }
      listener.onToken(number, token, news);
    }

    int last() {
      return tokens[tokens.length - 1];
    }

    Generated result() {
      return new Generated(tokens, text == null ? null : text.text(), finish);
    }
  }
}
