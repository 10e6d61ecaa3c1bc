package io.peft4j.model.batch;

import io.peft4j.data.RowPacking;
import java.util.Arrays;
import java.util.List;

/** The cells of a packed batch whose states a head reads, and what it should say of each. */
final class ReadCells {

  private static final int ROUNDING = 16;

  private final long[] cells;
  private final long[] targets;
  private final int count;
  private final int labels;

  ReadCells(List<TokenSequence> sequences, Reading reading, RowPacking packing) {
    int[][] tokens = sequences.stream().map(reading::tokens).toArray(int[][]::new);
    int[][] said = sequences.stream().map(reading::targets).toArray(int[][]::new);
    boolean byToken = said[0] != null;
    count = Arrays.stream(tokens).mapToInt(read -> read.length).sum();
    cells = new long[byToken ? rounded(count) : count];
    targets = new long[byToken ? cells.length : 0];
    Arrays.fill(targets, TokenSequence.IGNORED);
    int n = 0;
    int labelled = 0;
    for (int i = 0; i < tokens.length; i++) {
      int start = packing.row()[i] * packing.rowLength() + packing.offset()[i];
      for (int t = 0; t < tokens[i].length; t++) {
        if (byToken) {
          targets[n] = said[i][t];
          labelled += said[i][t] == TokenSequence.IGNORED ? 0 : 1;
        }
        cells[n++] = start + tokens[i][t];
      }
    }
    labels = labelled;
  }

  /**
   * libtorch compiles and caches a kernel for each shape it meets, so few shapes are worth a little
   * padding.
   */
  private static int rounded(int length) {
    return (length + ROUNDING - 1) / ROUNDING * ROUNDING;
  }

  /** {@return cell numbers, those that only round their number up last} */
  long[] cells() {
    return cells;
  }

  /** {@return as long as the cells, or empty} */
  long[] targets() {
    return targets;
  }

  /** {@return how many cells are read} */
  int count() {
    return count;
  }

  /** {@return how many of them have a target} */
  int labels() {
    return labels;
  }
}
