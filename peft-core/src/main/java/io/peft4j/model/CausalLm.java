package io.peft4j.model;

import io.peft4j.model.batch.TokenBatch;
import io.peft4j.model.batch.TokenSequence;
import io.peft4j.model.load.LoadOptions;
import io.peft4j.model.module.KeyValues;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;

/**
 * A causal language model: a decoder with a head that says what token comes next. Adapters attach
 * to its {@link #model}, which also trains it.
 *
 * <p>Any number of threads may run it at the same time, see {@link Model}; a {@link Decoding}
 * belongs to one.
 *
 * <pre>{@code
 * try (CausalLm lm = CausalLm.load(folder, LoadOptions.DEFAULT);
 *     CausalTokenizer tokenizer = CausalTokenizer.of(folder, lm.model())) {
 *   Generator generator = new Generator(lm, tokenizer);
 *   GenerationConfig config = GenerationConfig.greedy().withMaxNewTokens(40);
 *   System.out.println(generator.generateTexts(List.of("Once upon a time"), config).get(0).text());
 * }
 * }</pre>
 */
public final class CausalLm implements AutoCloseable {

  private final Model model;

  private CausalLm(Model model) {
    this.model = model;
  }

  /**
   * Loads a decoder with its language-model head.
   *
   * @param folder with {@code config.json} and {@code model.safetensors} (or its shards)
   * @throws IOException if a file cannot be read
   * @throws IllegalArgumentException if the configuration or the weights are not what a known
   *     architecture needs; the message names file and key
   */
  public static CausalLm load(Path folder, LoadOptions options) throws IOException {
    return new CausalLm(Model.load(folder, options, HeadKind.LANGUAGE_MODEL));
  }

  /** {@return the model as adapters and the trainer take it; it belongs to this} */
  public Model model() {
    return model;
  }

  /** {@return the longest sequence it takes, in tokens} */
  public int maxLength() {
    return model.maxLength();
  }

  /**
   * {@return one example without padding, each of whose tokens but the first is to be predicted};
   * {@link TokenSequence#withLabels} chooses others
   */
  public TokenSequence sequence(int[] ids) {
    return model.sequence(ids, null).withLabels(ids);
  }

  /**
   * {@return the log-probability of each label of each sequence, given the tokens before it}
   *
   * @param batch of sequences with labels
   */
  public float[][] logProbs(TokenBatch batch, List<TokenSequence> sequences) {
    float[] flat = model.logProbs(batch);
    float[][] split = new float[sequences.size()][];
    int from = 0;
    for (int i = 0; i < split.length; i++) {
      int n = model.head().reading().labelCount(sequences.get(i));
      split[i] = Arrays.copyOfRange(flat, from, from + n);
      from += n;
    }
    return split;
  }

  /** As {@link #logProbs(TokenBatch, List)}, all sequences in one batch. */
  public float[][] logProbs(List<TokenSequence> sequences) {
    // what adapters put before a text is the same when it is laid out and when it is run
    try (Uses.Use use = model.uses().pin();
        TokenBatch batch = model.batch(sequences)) {
      return logProbs(batch, sequences);
    }
  }

  /**
   * Begins to continue prompts; the caller closes the result.
   *
   * @param prompts token numbers, at least one each
   * @throws IllegalArgumentException if there are none, or one is empty or longer than the model
   *     takes
   */
  public Decoding start(List<int[]> prompts) {
    if (prompts.isEmpty()) {
      throw new IllegalArgumentException("expected at least one prompt, found none");
    }
    try (Uses.Use use = model.uses().pin()) {
      prompts.forEach(prompt -> model.sequence(prompt, null));
      return new Decoding(this, prompts.stream().map(model.virtualTokens()::before).toList());
    }
  }

  int layers() {
    return model.layers();
  }

  float[][] next(TokenBatch.Step step, KeyValues cache) {
    return model.next(step, cache);
  }

  /** Frees the weights. Adapters on this model have to be closed before. */
  @Override
  public void close() {
    model.close();
  }
}
