package io.peft4j.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.peft4j.torch.Ops;
import io.peft4j.torch.Precision;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;

/**
 * Examples laid out as a few rows of equal length, several examples in a row, so that next to no
 * padding is computed. Tokens attend within their own example only. Owns its arrays.
 */
public final class TokenBatch implements AutoCloseable {

  private final NDManager manager;
  private final int examples;
  private final int tokens;
  private final int rows;
  private final int rowLength;

  private final NDArray ids;
  private final NDArray types;
  private final NDArray positions;
  private final NDArray mask;
  private final NDArray firstTokens;
  private final NDArray firstMask;
  private final NDArray firstOfExample;

  private TokenBatch(NDManager manager, List<TokenSequence> sequences, Precision precision) {
    this.manager = manager;
    this.examples = sequences.size();
    this.tokens = sequences.stream().mapToInt(TokenSequence::length).sum();
    Layout layout = Layout.of(sequences);
    this.rows = layout.rows;
    this.rowLength = layout.rowLength;

    int cells = rows * rowLength;
    long[] id = new long[cells];
    long[] type = new long[cells];
    long[] position = new long[cells];
    long[] owner = new long[cells]; // example number from 1; 0 is padding, which sees itself
    long[] key = new long[cells]; // the same, or -1 where nobody may look
    int[] firstsInRow = new int[rows];
    for (int i = 0; i < examples; i++) {
      TokenSequence sequence = sequences.get(i);
      int start = layout.start[i];
      for (int t = 0; t < sequence.length(); t++) {
        id[start + t] = sequence.ids()[t];
        type[start + t] = sequence.types()[t];
        position[start + t] = sequence.positions()[t];
        owner[start + t] = i + 1;
        key[start + t] = sequence.visible()[t] ? i + 1 : -1;
      }
      firstsInRow[start / rowLength]++;
    }

    // The first token of each example, by row: [rows, slots], unused slots point at the row's
    // start.
    int slots = Arrays.stream(firstsInRow).max().orElseThrow();
    long[] first = new long[rows * slots];
    long[] firstOwner = new long[rows * slots];
    long[] slotOf = new long[examples];
    for (int row = 0; row < rows; row++) {
      Arrays.fill(first, row * slots, (row + 1) * slots, (long) row * rowLength);
      Arrays.fill(firstOwner, row * slots, (row + 1) * slots, owner[row * rowLength]);
    }
    int[] used = new int[rows];
    for (int i = 0; i < examples; i++) {
      int row = layout.start[i] / rowLength;
      int slot = row * slots + used[row]++;
      first[slot] = layout.start[i];
      firstOwner[slot] = i + 1;
      slotOf[i] = slot;
    }

    Shape grid = new Shape(rows, rowLength);
    ids = manager.create(id, grid);
    types = manager.create(type, grid);
    positions = manager.create(position, grid);
    firstTokens = manager.create(first, new Shape(rows, slots));
    firstOfExample = manager.create(slotOf, new Shape(examples));
    NDArray keys = manager.create(key, grid);
    mask = mask(manager.create(owner, grid), keys, precision);
    firstMask = mask(manager.create(firstOwner, new Shape(rows, slots)), keys, precision);
  }

  private static NDArray mask(NDArray query, NDArray key, Precision precision) {
    NDArray mask = Ops.encoderMask(query, key);
    return precision == Precision.BFLOAT16 ? precision.cast(mask) : mask;
  }

  /**
   * Lays out {@code sequences}, none of them empty, for a model that computes in {@code precision}.
   */
  public static TokenBatch of(
      NDManager parent, List<TokenSequence> sequences, Precision precision) {
    if (sequences.isEmpty()) {
      throw new IllegalArgumentException("a batch needs at least one sequence");
    }
    NDManager manager = parent.newSubManager();
    try {
      return new TokenBatch(manager, sequences, precision);
    } catch (RuntimeException e) {
      manager.close();
      throw e;
    }
  }

  /** First-fit decreasing: each sequence goes to the first row with room, longest first. */
  private record Layout(int rows, int rowLength, int[] start) {
    static Layout of(List<TokenSequence> sequences) {
      int rowLength = sequences.stream().mapToInt(TokenSequence::length).max().orElseThrow();
      int[] start = new int[sequences.size()];
      List<Integer> filled = new ArrayList<>();
      int[] longestFirst =
          IntStream.range(0, sequences.size())
              .boxed()
              .sorted(Comparator.comparing(i -> -sequences.get(i).length()))
              .mapToInt(Integer::intValue)
              .toArray();
      for (int i : longestFirst) {
        int length = sequences.get(i).length();
        int row = 0;
        while (row < filled.size() && filled.get(row) + length > rowLength) {
          row++;
        }
        if (row == filled.size()) {
          filled.add(0);
        }
        start[i] = row * rowLength + filled.get(row);
        filled.set(row, filled.get(row) + length);
      }
      return new Layout(filled.size(), rowLength, start);
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
    return rows * rowLength;
  }

  NDManager manager() {
    return manager;
  }

  /** {@return int64 [rows, rowLength]} */
  NDArray ids() {
    return ids;
  }

  /** {@return int64 [rows, rowLength]} */
  NDArray types() {
    return types;
  }

  /** {@return int64 [rows, rowLength]} */
  NDArray positions() {
    return positions;
  }

  /** {@return [rows, 1, rowLength, rowLength], added to attention scores} */
  NDArray mask() {
    return mask;
  }

  /** {@return int64 [rows, slots]: each example's first token as a cell number} */
  NDArray firstTokens() {
    return firstTokens;
  }

  /** {@return [rows, 1, slots, rowLength], the mask for queries at {@link #firstTokens}} */
  NDArray firstMask() {
    return firstMask;
  }

  /** {@return int64 [examples]: each example's number among the slots} */
  NDArray firstOfExample() {
    return firstOfExample;
  }

  @Override
  public void close() {
    manager.close();
  }
}
