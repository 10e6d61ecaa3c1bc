package io.peft4j.model.batch;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.peft4j.data.RowPacking;
import io.peft4j.torch.AttentionOps;
import io.peft4j.torch.HostTensors;
import io.peft4j.torch.Precision;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;

/**
 * Examples laid out as a few rows of equal length, several examples in a row, so that next to no
 * padding is computed. Tokens attend within their own example only. Owns its arrays.
 */
public final class TokenBatch implements AutoCloseable {

  private final NDManager manager;
  private final Precision precision;
  private final int examples;
  private final int tokens;
  private final int computedTokens;
  private final int reads;
  private final int labels;

  private final NDArray ids;
  private final NDArray types;
  private final NDArray positions;
  private final NDArray owners;
  private final NDArray keys;
  private final NDArray keyPositions;
  private final NDArray read;
  private final NDArray targets;
  private final FirstTokens firstTokens;
  private final Map<Object, NDArray> derived = new HashMap<>();
  private VirtualTokens.Layout layout;

  private TokenBatch(
      NDManager manager,
      List<TokenSequence> sequences,
      Reading reading,
      int[] groups,
      Precision precision) {
    this.manager = manager;
    this.precision = precision;
    this.examples = sequences.size();
    this.tokens = sequences.stream().mapToInt(TokenSequence::length).sum();
    int[] lengths = sequences.stream().mapToInt(TokenSequence::length).toArray();
    RowPacking packing =
        groups == null ? RowPacking.pack(lengths) : RowPacking.packApart(lengths, groups);
    int rowLength = packing.rowLength();
    this.computedTokens = packing.rows() * rowLength;

    long[] id = new long[computedTokens];
    long[] type = new long[computedTokens];
    long[] position = new long[computedTokens];
    long[] owner = new long[computedTokens]; // example from 1; 0 is padding, which sees itself
    long[] key = new long[computedTokens]; // the same, or -1 where nobody may look
    for (int i = 0; i < examples; i++) {
      TokenSequence sequence = sequences.get(i);
      int start = packing.row()[i] * rowLength + packing.offset()[i];
      for (int t = 0; t < sequence.length(); t++) {
        id[start + t] = sequence.ids()[t];
        type[start + t] = sequence.types()[t];
        position[start + t] = sequence.positions()[t];
        owner[start + t] = i + 1;
        key[start + t] = sequence.visible()[t] ? i + 1 : -1;
      }
    }
    ReadCells cells = new ReadCells(sequences, reading, packing);
    reads = cells.count();
    labels = cells.labels();
    Shape grid = new Shape(packing.rows(), rowLength);
    ids = manager.create(id, grid);
    types = manager.create(type, grid);
    positions = manager.create(position, grid);
    owners = manager.create(owner, grid);
    keys = manager.create(key, grid);
    keyPositions = positions;
    read = manager.create(cells.cells());
    targets = manager.create(cells.targets());
    firstTokens = new FirstTokens(packing, owner);
    if (groups != null) {
      long[] ofRow = new long[packing.rows()];
      long[] ofExample = new long[examples];
      for (int i = 0; i < examples; i++) {
        ofRow[packing.row()[i]] = groups[i];
        ofExample[i] = groups[i];
      }
      derived.put("groupOfRow", manager.create(ofRow));
      derived.put("groupOfExample", manager.create(ofExample));
    }
  }

  private TokenBatch(NDManager manager, Precision precision, Step step) {
    this.manager = manager;
    this.precision = precision;
    this.examples = step.rows();
    this.tokens = step.ids().length;
    this.computedTokens = tokens;
    this.reads = examples;
    this.labels = 0;
    Shape queries = new Shape(examples, tokens / examples);
    Shape all = new Shape(examples, step.keys().length / examples);
    ids = manager.create(step.ids(), queries);
    types = null;
    positions = manager.create(step.positions(), queries);
    owners = manager.create(step.owners(), queries);
    keys = manager.create(step.keys(), all);
    keyPositions = manager.create(step.keyPositions(), all);
    long[] last = new long[examples];
    for (int i = 0; i < examples; i++) {
      last[i] = (long) (i + 1) * (tokens / examples) - 1;
    }
    read = manager.create(last);
    targets = null;
    firstTokens = null;
  }

  /**
   * Some more tokens of each of some rows, of which earlier ones are cached. Queries are [rows, n]
   * row by row, keys [rows, m] with m at least n.
   *
   * @param owners of tokens that count the row's number from 1; 0 for others
   * @param keys the same number where a token can be seen
   */
  public record Step(
      int rows, long[] ids, long[] positions, long[] owners, long[] keys, long[] keyPositions) {

    /** {@return the same with all positions moved on} */
    public Step shifted(int by) {
      return by == 0
          ? this
          : new Step(rows, ids, moved(positions, by), owners, keys, moved(keyPositions, by));
    }

    private static long[] moved(long[] positions, int by) {
      return Arrays.stream(positions).map(position -> position + by).toArray();
    }
  }

  /** Lays out a step of generation, after which the last token of each row is read. */
  public static TokenBatch of(NDManager parent, Step step, Precision precision) {
    return new TokenBatch(parent.newSubManager(), precision, step);
  }

  /**
   * Lays out {@code sequences}, none of them empty, for a model that computes in {@code precision}.
   *
   * @param reading what the model's head reads of them
   * @throws IllegalArgumentException if there are none, or some have labels and others not
   */
  public static TokenBatch of(
      NDManager parent, List<TokenSequence> sequences, Reading reading, Precision precision) {
    return of(parent, sequences, reading, null, precision);
  }

  /**
   * As {@link #of(NDManager, List, Reading, Precision)}, with examples of one group only in each
   * row.
   *
   * @param groups a number for each sequence, from 0; null for no groups
   */
  public static TokenBatch of(
      NDManager parent,
      List<TokenSequence> sequences,
      Reading reading,
      int[] groups,
      Precision precision) {
    if (sequences.isEmpty()) {
      throw new IllegalArgumentException("a batch needs at least one sequence");
    }
    long labelled = sequences.stream().filter(sequence -> sequence.labels() != null).count();
    if (labelled != 0 && labelled != sequences.size()) {
      throw new IllegalArgumentException(
          labelled + " of " + sequences.size() + " sequences have labels; expected all or none");
    }
    NDManager manager = parent.newSubManager();
    try {
      return new TokenBatch(manager, sequences, reading, groups, precision);
    } catch (RuntimeException e) {
      manager.close();
      throw e;
    }
  }

  /** {@return this, which from now on knows what it is laid out for} */
  public TokenBatch under(VirtualTokens.Layout active) {
    layout = active;
    return this;
  }

  /**
   * Makes sure that it is laid out as those active now ask for; one that does not know passes.
   *
   * @throws IllegalStateException if it was laid out for adapters that others have replaced since
   */
  public void check(VirtualTokens.Layout active) {
    if (layout != null && !layout.equals(active)) {
      throw new IllegalStateException(
          "the batch was laid out for other adapters than are active now: they were switched since,"
              + " so make it again");
    }
  }

  public int examples() {
    return examples;
  }

  /** {@return how many tokens the examples have, padding not counted} */
  public int tokens() {
    return tokens;
  }

  /** {@return how many tokens are computed, padding counted} */
  public int computedTokens() {
    return computedTokens;
  }

  /** {@return how many tokens a row has} */
  public long rowLength() {
    return ids.getShape().get(1);
  }

  /** {@return how many states the head reads} */
  public int reads() {
    return reads;
  }

  /** {@return of how many of them there is something to say} */
  public int labels() {
    return labels;
  }

  public NDManager manager() {
    return manager;
  }

  /** {@return int64 [rows, rowLength]} */
  public NDArray ids() {
    return ids;
  }

  /** {@return int64 [rows, rowLength]} */
  public NDArray types() {
    return types;
  }

  /** {@return int64 [rows, rowLength]} */
  public NDArray positions() {
    return positions;
  }

  /** {@return int64 [rows] or [examples]: the group of each, where there are groups} */
  public NDArray groups(boolean ofRows) {
    NDArray groups = derived.get(ofRows ? "groupOfRow" : "groupOfExample");
    if (groups == null) {
      throw new IllegalStateException("the batch has no groups");
    }
    return groups;
  }

  /** {@return int64 [rows, rowLength]: the number of each token's example from 1, 0 for padding} */
  public NDArray owners() {
    return owners;
  }

  /**
   * {@return int64 [n]: cells whose states the head reads, {@link #reads} of them; where tokens
   * have labels, a few more to round the number up}
   */
  public NDArray read() {
    return read;
  }

  /**
   * {@return int64 [n]: what is to be said of each cell of {@link #read}, or {@link
   * TokenSequence#IGNORED}; empty where labels are not the tokens'}
   */
  public NDArray targets() {
    return targets;
  }

  /** {@return [rows, 1, rowLength, rowLength], added to an encoder's attention scores} */
  public NDArray mask() {
    return derive("mask", () -> typed(AttentionOps.encoderMask(owners, keys)));
  }

  /**
   * {@return [rows, 1, queries, keys], added to a decoder's attention scores}
   *
   * @param window how many tokens each token sees, itself included
   */
  public NDArray causalMask(int window) {
    return derive(
        window,
        () -> {
          try (NDArray size = HostTensors.number(manager, (long) window)) {
            return typed(AttentionOps.causalMask(owners, keys, positions, keyPositions, size));
          }
        });
  }

  /**
   * {@return {@code mask} [rows, 1, queries, keys] with {@code length} columns in front, for keys
   * that stand at positions 0, 1, ... and that all examples see}
   *
   * @param window how far back a query sees
   */
  public NDArray prefixed(NDArray mask, int length, int window) {
    return derive(
        List.of("prefixed", mask == derived.get("firstMask"), length, window),
        () -> {
          try (NDArray n = HostTensors.number(manager, (long) length);
              NDArray size = HostTensors.number(manager, (long) window)) {
            return window == Integer.MAX_VALUE
                ? AttentionOps.padFront(mask, n)
                : AttentionOps.prefixMask(mask, positions, n, size);
          }
        });
  }

  /** {@return int64 [examples]: each example's first token as a cell number} */
  public NDArray firstTokens() {
    return derive("firstTokens", () -> firstTokens.cells(manager));
  }

  /** {@return int64 [rows, slots]: the examples by row, for attention of {@link #firstTokens}} */
  public NDArray firstByRow() {
    return derive("firstByRow", () -> firstTokens.examples(manager));
  }

  /** {@return [rows, 1, slots, rowLength], the mask for queries laid out by {@link #firstByRow}} */
  public NDArray firstMask() {
    return derive(
        "firstMask",
        () -> {
          try (NDArray owner = firstTokens.owners(manager)) {
            return typed(AttentionOps.encoderMask(owner, keys));
          }
        });
  }

  /** {@return int64 [examples]: each example's number among the slots of {@link #firstByRow}} */
  public NDArray firstSlots() {
    return derive("firstSlots", () -> firstTokens.slots(manager));
  }

  /** {@return what {@code make} gives, made once for this batch, which owns it} */
  public NDArray derive(Object key, Supplier<NDArray> make) {
    NDArray known = derived.get(key);
    if (known == null) {
      known = make.get();
      known.attach(manager);
      derived.put(key, known);
    }
    return known;
  }

  /** {@return {@code array} in the precision of the model; closes it if that is another array} */
  public NDArray typed(NDArray array) {
    if (precision == Precision.FLOAT32) {
      return array;
    }
    try (NDArray wide = array) {
      return precision.cast(wide);
    }
  }

  @Override
  public void close() {
    manager.close();
  }
}
