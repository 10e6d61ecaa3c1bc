package io.peft4j.model.batch;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.peft4j.data.RowPacking;
import java.util.Arrays;

/**
 * The first tokens of a packed batch's examples: as a plain list, and, for attention, by row, with
 * as many slots a row as the fullest row has examples. Unused slots repeat the batch's first
 * example; nobody reads what they give.
 */
final class FirstTokens {

  private final Shape grid;
  private final long[] cells;
  private final long[] exampleOfSlot;
  private final long[] owners;
  private final long[] slotOf;

  /**
   * @param owner of each cell, the example's number from 1
   */
  FirstTokens(RowPacking packing, long[] owner) {
    int rows = packing.rows();
    int rowLength = packing.rowLength();
    int examples = packing.row().length;
    int[] perRow = new int[rows];
    for (int row : packing.row()) {
      perRow[row]++;
    }
    int slots = Arrays.stream(perRow).max().orElseThrow();
    grid = new Shape(rows, slots);
    cells = new long[examples];
    exampleOfSlot = new long[rows * slots];
    owners = new long[rows * slots];
    slotOf = new long[examples];
    for (int row = 0; row < rows; row++) {
      // an unused slot sees what the row's first example sees, so that its softmax is finite
      Arrays.fill(owners, row * slots, (row + 1) * slots, owner[row * rowLength]);
    }
    int[] used = new int[rows];
    for (int i = 0; i < examples; i++) {
      int row = packing.row()[i];
      int slot = row * slots + used[row]++;
      cells[i] = (long) row * rowLength + packing.offset()[i];
      exampleOfSlot[slot] = i;
      owners[slot] = i + 1;
      slotOf[i] = slot;
    }
  }

  /** {@return int64 [examples]: cell numbers} */
  NDArray cells(NDManager manager) {
    return manager.create(cells);
  }

  /** {@return int64 [rows, slots]: the example of each slot} */
  NDArray examples(NDManager manager) {
    return manager.create(exampleOfSlot, grid);
  }

  /** {@return int64 [rows, slots]: whose keys a slot sees, numbers from 1} */
  NDArray owners(NDManager manager) {
    return manager.create(owners, grid);
  }

  /** {@return int64 [examples]: the slot of each} */
  NDArray slots(NDManager manager) {
    return manager.create(slotOf);
  }
}
