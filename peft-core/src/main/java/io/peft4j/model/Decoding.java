package io.peft4j.model;

import io.peft4j.model.batch.TokenBatch;
import io.peft4j.model.module.KeyValueCache;
import java.util.Arrays;
import java.util.List;

/**
 * Sequences being continued together, each token computed once: keys and values of those before are
 * kept. Rows are padded on the left, unseen, so that all end in the same column. Made by {@link
 * CausalLm#start}.
 *
 * <p>Not thread-safe, but several can run on one model at the same time. The model cannot be
 * changed by another thread until this is closed.
 */
public final class Decoding implements AutoCloseable {

  private final CausalLm model;
  private final KeyValueCache cache;
  private final Uses.Use pin;
  private int[] lengths;
  private int[] padding;
  private int width;
  private float[][] logits;

  Decoding(CausalLm model, List<int[]> prompts) {
    this.model = model;
    this.lengths = prompts.stream().mapToInt(prompt -> prompt.length).toArray();
    this.width = Arrays.stream(lengths).max().orElseThrow();
    this.padding = Arrays.stream(lengths).map(length -> width - length).toArray();
    this.pin = model.model().pinned();
    this.cache = new KeyValueCache(model.model().manager(), model.layers());
    try {
      long[] ids = new long[rows() * width];
      for (int row = 0; row < rows(); row++) {
        for (int t = 0; t < lengths[row]; t++) {
          ids[row * width + padding[row] + t] = prompts.get(row)[t];
        }
      }
      run(ids, width);
    } catch (RuntimeException e) {
      close();
      throw e;
    }
  }

  /** {@return how many sequences there are} */
  public int rows() {
    return lengths.length;
  }

  /** {@return tokens in the longest sequence so far, which cannot exceed the model's maximum} */
  public int length() {
    return Arrays.stream(lengths).max().orElse(0);
  }

  /** {@return the logits of each sequence's next token [rows][vocabulary]} */
  public float[][] logits() {
    return logits;
  }

  /**
   * Appends a token to each sequence and computes what is next.
   *
   * @throws IllegalArgumentException if a sequence has the longest length that the model takes
   */
  public void append(int[] tokens) {
    if (tokens.length != rows()) {
      throw new IllegalArgumentException(
          "expected " + rows() + " tokens, one a sequence, found " + tokens.length);
    }
    if (length() >= model.maxLength()) {
      throw new IllegalArgumentException(
          "a sequence has " + length() + " tokens, the most that the model takes");
    }
    width++;
    for (int row = 0; row < rows(); row++) {
      lengths[row]++;
    }
    run(Arrays.stream(tokens).asLongStream().toArray(), 1);
  }

  /** Keeps only these sequences, in this order; the others are done with. */
  public void keep(int[] rows) {
    int[] oldLengths = lengths;
    int[] oldPadding = padding;
    float[][] oldLogits = logits;
    lengths = Arrays.stream(rows).map(row -> oldLengths[row]).toArray();
    padding = Arrays.stream(rows).map(row -> oldPadding[row]).toArray();
    logits = Arrays.stream(rows).mapToObj(row -> oldLogits[row]).toArray(float[][]::new);
    cache.keep(Arrays.stream(rows).asLongStream().toArray());
  }

  /** Computes the last {@code n} tokens of each row. */
  private void run(long[] ids, int n) {
    long[] positions = new long[rows() * n];
    long[] owners = new long[rows() * n];
    int columns = KeyValueCache.columns(width);
    long[] keys = new long[rows() * columns];
    long[] keyPositions = new long[rows() * columns];
    Arrays.fill(keys, -1);
    for (int row = 0; row < rows(); row++) {
      for (int column = padding[row]; column < width; column++) {
        keys[row * columns + column] = row + 1;
        keyPositions[row * columns + column] = column - padding[row];
      }
      for (int i = 0; i < n; i++) {
        int column = width - n + i;
        positions[row * n + i] = Math.max(0, column - padding[row]);
        owners[row * n + i] = column >= padding[row] ? row + 1 : 0;
      }
    }
    TokenBatch.Step step = new TokenBatch.Step(rows(), ids, positions, owners, keys, keyPositions);
    logits = model.next(step, cache);
    cache.advance(n);
  }

  @Override
  public void close() {
    cache.close();
    pin.close();
  }
}
