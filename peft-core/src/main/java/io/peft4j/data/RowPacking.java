package io.peft4j.data;

import java.util.Arrays;
import java.util.Comparator;
import java.util.stream.IntStream;

/**
 * Where the sequences of a batch lie when they are packed side by side into rows of equal length,
 * so that next to no padding is computed.
 *
 * @param rows the number of rows
 * @param rowLength tokens a row
 * @param row the row of each sequence
 * @param offset the position in its row at which each sequence starts
 */
public record RowPacking(int rows, int rowLength, int[] row, int[] offset) {

  /** Row lengths to choose from are multiples of this, since every shape costs a compilation. */
  private static final int ROUNDING = 8;

  /** How many row lengths are tried. */
  private static final int CHOICES = 16;

  /**
   * The row length at which attention costs about as much as all else; measured with layers of
   * width 384, and more with wider ones.
   */
  private static final double ATTENTION = 350;

  /**
   * Packs into rows of the length that is cheapest to compute: little padding, but not so long that
   * attention, which is quadratic in it, outweighs that.
   *
   * @param lengths tokens of each sequence, at least 1
   * @throws IllegalArgumentException if a sequence is empty
   */
  public static RowPacking pack(int[] lengths) {
    int longest = rounded(Arrays.stream(lengths).max().orElseThrow(), ROUNDING);
    int step = rounded((longest + CHOICES - 1) / CHOICES, ROUNDING);
    RowPacking best = null;
    for (int i = 0; i < CHOICES; i++) {
      RowPacking packing = pack(lengths, longest + i * step);
      if (best == null || packing.cost() < best.cost()) {
        best = packing;
      }
    }
    return best;
  }

  private static int rounded(int number, int multiple) {
    return (number + multiple - 1) / multiple * multiple;
  }

  private double cost() {
    return (double) rows * rowLength * (1 + rowLength / ATTENTION);
  }

  /**
   * Packs by first fit decreasing: longest first, each into the first row with room. At most 11/9
   * of the fewest possible rows plus 2/3 (Dósa 2007), in O(n log n).
   *
   * @param lengths tokens of each sequence, at least 1
   * @param rowLength tokens a row
   * @throws IllegalArgumentException if a sequence is empty or longer than a row
   */
  public static RowPacking pack(int[] lengths, int rowLength) {
    for (int i = 0; i < lengths.length; i++) {
      if (lengths[i] < 1 || lengths[i] > rowLength) {
        throw new IllegalArgumentException(
            "sequence " + i + " has " + lengths[i] + " tokens; a row takes from 1 to " + rowLength);
      }
    }
    int[] longestFirst =
        IntStream.range(0, lengths.length)
            .boxed()
            .sorted(Comparator.comparingInt(i -> -lengths[i]))
            .mapToInt(Integer::intValue)
            .toArray();
    FreeRows free = new FreeRows(Math.max(1, lengths.length), rowLength);
    int[] row = new int[lengths.length];
    int[] offset = new int[lengths.length];
    int rows = 0;
    for (int i : longestFirst) {
      row[i] = free.firstWith(lengths[i]);
      offset[i] = rowLength - free.of(row[i]);
      free.take(row[i], lengths[i]);
      rows = Math.max(rows, row[i] + 1);
    }
    return new RowPacking(rows, rowLength, row, offset);
  }

  /**
   * Packs so that a row holds sequences of one group only.
   *
   * @param lengths tokens of each sequence, at least 1
   * @param groups the group of each sequence
   * @throws IllegalArgumentException if a sequence is empty
   */
  public static RowPacking packApart(int[] lengths, int[] groups) {
    int rowLength = rounded(Arrays.stream(lengths).max().orElseThrow(), ROUNDING);
    int[] row = new int[lengths.length];
    int[] offset = new int[lengths.length];
    int rows = 0;
    for (int group : Arrays.stream(groups).distinct().toArray()) {
      int[] members = IntStream.range(0, groups.length).filter(i -> groups[i] == group).toArray();
      RowPacking own = pack(Arrays.stream(members).map(i -> lengths[i]).toArray(), rowLength);
      for (int i = 0; i < members.length; i++) {
        row[members[i]] = rows + own.row[i];
        offset[members[i]] = own.offset[i];
      }
      rows += own.rows;
    }
    return new RowPacking(rows, rowLength, row, offset);
  }

  /** The room left in each row, in a heap-shaped tree of maxima: the first fit in O(log n). */
  private static final class FreeRows {
    private final int leaves;
    private final int[] max;

    FreeRows(int rows, int rowLength) {
      leaves = Integer.highestOneBit(Math.max(1, rows - 1)) * (rows > 1 ? 2 : 1);
      max = new int[2 * leaves];
      Arrays.fill(max, rowLength);
    }

    int of(int row) {
      return max[leaves + row];
    }

    int firstWith(int length) {
      int node = 1;
      while (node < leaves) {
        node = max[2 * node] >= length ? 2 * node : 2 * node + 1;
      }
      return node - leaves;
    }

    void take(int row, int length) {
      int node = leaves + row;
      max[node] -= length;
      for (node /= 2; node >= 1; node /= 2) {
        max[node] = Math.max(max[2 * node], max[2 * node + 1]);
      }
    }
  }
}
