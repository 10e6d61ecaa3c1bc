package io.peft4j.model;

import io.peft4j.model.batch.TokenBatch;
import io.peft4j.model.family.Architecture;
import io.peft4j.model.module.KeyValueCache;
import io.peft4j.model.module.KeyValueSlots;
import java.util.Arrays;

/**
 * Sequences being continued together that come and go and are of different lengths, each in a slot
 * of its own: the part of {@link Decoding} for who serves many. A step is over some slots that
 * follow each other, any number of tokens in each.
 *
 * <p>What adapters the model has active is up to the caller, who also sees to it that nobody
 * changes them during a step. Not thread-safe.
 */
public final class DecodingSlots implements AutoCloseable {

  private final Model model;
  private final KeyValueSlots cache;
  private int[] lengths = {};

  /**
   * @param model a language model
   */
  public DecodingSlots(Model model) {
    this.model = model;
    this.cache = new KeyValueSlots(model.manager(), model.layers());
  }

  /** {@return how many bytes a token takes in a cache of {@code model}} */
  public static long bytesPerToken(Model model) {
    Architecture.Sizes sizes = model.sizes();
    long elements = 2L * sizes.keyHeads() * sizes.headDim() * model.layers();
    return elements * model.precision().bytes();
  }

  /** {@return how many tokens a slot has to have room for, for a sequence of {@code length}} */
  public static int columns(int length) {
    return KeyValueCache.columns(length);
  }

  /** {@return how many sequences there are} */
  public int rows() {
    return lengths.length;
  }

  /** {@return how many tokens of a sequence have been computed} */
  public int length(int row) {
    return lengths[row];
  }

  /** {@return how many tokens the longest sequence has} */
  public int longest() {
    return Arrays.stream(lengths).max().orElse(0);
  }

  /** {@return how many sequences there is room for} */
  public int slots() {
    return cache.slots();
  }

  /** {@return how many tokens of each there is room for} */
  public int capacity() {
    return cache.capacity();
  }

  /** Makes room for so many sequences and tokens of each. */
  public void resize(int slots, int capacity) {
    if (slots < rows() || capacity < longest()) {
      throw new IllegalArgumentException(
          "expected room for "
              + rows()
              + " sequences of "
              + longest()
              + " tokens, found "
              + slots
              + " of "
              + capacity);
    }
    cache.resize(slots, capacity);
  }

  /** Adds an empty sequence, as the last one; there has to be room for it. */
  public void add() {
    lengths = Arrays.copyOf(lengths, lengths.length + 1);
  }

  /** Drops the last sequence. */
  public void removeLast() {
    lengths = Arrays.copyOf(lengths, lengths.length - 1);
  }

  /** Puts a sequence in the place of another, which is done with; it is in both then. */
  public void move(int from, int to) {
    cache.move(from, to, lengths[from]);
    lengths[to] = lengths[from];
  }

  /** Lets a sequence begin with the first {@code tokens} of another, which it has in common. */
  public void share(int from, int to, int tokens) {
    cache.move(from, to, tokens);
    lengths[to] = tokens;
  }

  /** Changes two sequences' places. */
  public void swap(int one, int other) {
    if (one != other) {
      cache.swap(one, other, Math.max(lengths[one], lengths[other]));
      int length = lengths[one];
      lengths[one] = lengths[other];
      lengths[other] = length;
    }
  }

  /** Wipes out a sequence whose numbers were not finite, before another one takes its slot. */
  public void clear(int row) {
    cache.clear(row);
  }

  /**
   * Computes some more tokens of sequences that follow each other.
   *
   * @param first the first of them
   * @param tokens of each, one at least
   * @return the logits of each one's next token [tokens.length][vocabulary]
   * @throws IllegalStateException if the model's files have changed
   */
  public float[][] step(int first, int[][] tokens) {
    int rows = tokens.length;
    int n = Arrays.stream(tokens).mapToInt(more -> more.length).max().orElseThrow();
    int total = Arrays.stream(tokens).mapToInt(more -> more.length).sum();
    int longest = 0;
    for (int i = 0; i < rows; i++) {
      longest = Math.max(longest, lengths[first + i] + tokens[i].length);
    }
    int columns = Math.min(DecodingSlots.columns(longest), cache.capacity());
    long[] ids = new long[rows * n];
    long[] positions = new long[rows * n];
    long[] owners = new long[rows * n];
    long[] keys = new long[rows * columns];
    long[] keyPositions = new long[rows * columns];
    long[] source = new long[total];
    long[] slot = new long[total];
    long[] column = new long[total];
    Arrays.fill(keys, -1);
    int at = 0;
    for (int i = 0; i < rows; i++) {
      int padding = n - tokens[i].length;
      int length = lengths[first + i];
      for (int t = 0; t < tokens[i].length; t++) {
        int cell = i * n + padding + t;
        ids[cell] = tokens[i][t];
        positions[cell] = length + t;
        owners[cell] = i + 1;
        source[at] = cell;
        slot[at] = first + i;
        column[at] = length + t;
        at++;
      }
      for (int c = 0; c < length + tokens[i].length; c++) {
        keys[i * columns + c] = i + 1;
        keyPositions[i * columns + c] = c;
      }
    }
    if (n > 1) {
      model.pinned().close(); // the files are looked at for each prompt, not for each token
    }
    TokenBatch.Step step = new TokenBatch.Step(rows, ids, positions, owners, keys, keyPositions);
    cache.begin(first, rows, columns, source, slot, column);
    try {
      float[][] logits = model.next(step, cache);
      for (int i = 0; i < rows; i++) {
        lengths[first + i] += tokens[i].length;
      }
      return logits;
    } finally {
      cache.end();
    }
  }

  @Override
  public void close() {
    cache.close();
  }
}
