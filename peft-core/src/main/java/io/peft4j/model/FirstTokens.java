package io.peft4j.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.peft4j.data.RowPacking;
import java.util.Arrays;

/**
 * Where the examples of a packed batch begin, row by row: as many slots a row as the fullest row
 * has examples. Unused slots point at the row's start.
 */
final class FirstTokens {

  private final Shape grid;
  private final long[] cells;
  private final long[] owners;
  private final long[] slotOf;

  /**
   * @param owner of each cell, the example's number from 1
   */
  FirstTokens(RowPacking packing, long[] owner) {
    int rows = packing.rows();
    int rowLength = packing.rowLength();
    int[] perRow = new int[rows];
    for (int row : packing.row()) {
      perRow[row]++;
    }
    int slots = Arrays.stream(perRow).max().orElseThrow();
    grid = new Shape(rows, slots);
    cells = new long[rows * slots];
    owners = new long[rows * slots];
    slotOf = new long[packing.row().length];
    for (int row = 0; row < rows; row++) {
      Arrays.fill(cells, row * slots, (row + 1) * slots, (long) row * rowLength);
      Arrays.fill(owners, row * slots, (row + 1) * slots, owner[row * rowLength]);
    }
    int[] used = new int[rows];
    for (int i = 0; i < slotOf.length; i++) {
      int row = packing.row()[i];
      int slot = row * slots + used[row]++;
      cells[slot] = (long) row * rowLength + packing.offset()[i];
      owners[slot] = i + 1;
      slotOf[i] = slot;
    }
  }

  /** {@return int64 [rows, slots]: cell numbers} */
  NDArray cells(NDManager manager) {
    return manager.create(cells, grid);
  }

  /** {@return int64 [rows, slots]: numbers of the examples, from 1} */
  NDArray owners(NDManager manager) {
    return manager.create(owners, grid);
  }

  /** {@return int64 [examples]: the slot of each} */
  NDArray slots(NDManager manager) {
    return manager.create(slotOf);
  }
}
