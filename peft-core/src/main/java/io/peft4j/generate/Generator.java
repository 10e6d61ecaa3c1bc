package io.peft4j.generate;

import io.peft4j.model.CausalLm;
import io.peft4j.model.Decoding;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.stream.IntStream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Continues prompts with a causal language model. Prompts of unequal length run together, and a
 * sequence that has ended is no longer computed.
 *
 * <p>Not thread-safe.
 */
public final class Generator {

  private static final Logger LOGGER = LoggerFactory.getLogger(Generator.class);

  private final CausalLm model;
  private final Codec codec;
  private boolean warned;

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

  /** {@return what comes after each of {@code prompts}, as {@link #generate}} */
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
   * @return as many results a prompt as the config's {@code num_return_sequences}, in the prompts'
   *     order; the listener is told a result's number in that list
   * @throws IllegalArgumentException if a prompt is empty or longer than the model or {@code
   *     max_length} takes, the config names tokens that the model does not have, or there are stop
   *     strings and no codec
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
    int copies = config.numReturnSequences();
    List<int[]> expanded =
        prompts.stream().flatMap(prompt -> Collections.nCopies(copies, prompt).stream()).toList();
    List<Row> rows = new ArrayList<>();
    for (int i = 0; i < expanded.size(); i++) {
      rows.add(new Row(i, first * copies + i, expanded.get(i), config));
    }
    long end = end(config);
    List<Row> running = new ArrayList<>(rows);
    try (Decoding decoding = model.start(expanded);
        Guidance guidance = Guidance.of(config, model, expanded)) {
      warnOfUnknownEnds(config, decoding.logits()[0].length);
      while (true) {
        float[][] scores = guidance.scores(decoding.logits());
        boolean late = System.nanoTime() - end > 0;
        for (int i = 0; i < running.size(); i++) {
          running.get(i).add(scores[i], late, listener);
        }
        int[] left = unfinished(running);
        if (left.length == 0) {
          return rows.stream().map(Row::result).toList();
        }
        if (left.length < running.size()) {
          decoding.keep(left);
          guidance.keep(left);
          running.removeIf(row -> row.finish != null);
        }
        int[] tokens = running.stream().mapToInt(Row::last).toArray();
        decoding.append(tokens);
        guidance.append(tokens);
      }
    }
  }

  /**
   * {@return the time after which {@code max_time} lets no token follow, as of the system's clock}
   */
  private static long end(GenerationConfig config) {
    double seconds = Math.min(config.number("max_time", Double.MAX_VALUE), 1e9);
    return System.nanoTime() + (long) (seconds * 1e9);
  }

  private void warnOfUnknownEnds(GenerationConfig config, int vocabulary) {
    List<Integer> unknown =
        config.eosTokenIds().stream().filter(id -> id < 0 || id >= vocabulary).sorted().toList();
    if (!unknown.isEmpty() && !warned) {
      warned = true;
      LOGGER.warn(
          "eos_token_id: {} not in the model's vocabulary of {}: never comes, so it ends nothing",
          unknown,
          vocabulary);
    }
  }

  private static int[] unfinished(List<Row> rows) {
    return IntStream.range(0, rows.size()).filter(i -> rows.get(i).finish == null).toArray();
  }

  /** One sequence. */
  private final class Row {
    private final int number;
    private final int place;
    private final int[] prompt;
    private final int limit;
    private final GenerationConfig config;
    private final GrowingText text;
    private TokenChooser chooser;
    private int[] tokens = {};
    private Generated.Finish finish;

    Row(int number, int place, int[] prompt, GenerationConfig config) {
      this.number = number;
      this.place = place;
      this.prompt = prompt;
      this.limit = config.limit(prompt.length, model.maxLength());
      this.config = config;
      this.text = codec == null ? null : new GrowingText(codec, config.stopStrings(), prompt);
    }

    void add(float[] scores, boolean late, GenerationListener listener) {
      if (chooser == null) {
        chooser = new TokenChooser(config, prompt, limit, scores.length, place);
      }
      int token = chooser.choose(scores);
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
      } else if (prompt.length + tokens.length >= limit) {
        finish = Generated.Finish.LENGTH;
      } else if (prompt.length + tokens.length > model.maxLength()) {
        finish = Generated.Finish.CONTEXT;
      } else if (late) {
        finish = Generated.Finish.TIME;
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
