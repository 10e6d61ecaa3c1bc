package io.peft4j.cuda;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * Which adapter each row of a batch uses, cut into tiles of up to 16 consecutive rows with the same
 * one.
 */
public final class RowTiles implements AutoCloseable {
  /** The adapter of rows that have none. */
  public static final int NO_ADAPTER = -1;

  static final int MOST_ROWS = 16;

  private final int rows;
  private final int largestAdapter;
  private final int count;
  private final DeviceMemory memory;

  /**
   * Copies the tiles to the device.
   *
   * @param adapterOfRow an index into an {@link AdapterTable}, or {@link #NO_ADAPTER}, for each row
   */
  public RowTiles(CudaContext context, int[] adapterOfRow) {
    List<int[]> tiles = new ArrayList<>();
    int largest = NO_ADAPTER;
    for (int row = 0; row < adapterOfRow.length; row++) {
      int adapter = adapterOfRow[row];
      if (adapter < NO_ADAPTER) {
        throw new IllegalArgumentException(
            String.format(Locale.ROOT, "row %d: no adapter is %d", row, adapter));
      }
      largest = Math.max(largest, adapter);
      int[] last = tiles.isEmpty() ? null : tiles.get(tiles.size() - 1);
      if (last != null && last[2] == adapter && last[1] < MOST_ROWS) {
        last[1]++;
      } else {
        tiles.add(new int[] {row, 1, adapter});
      }
    }
    rows = adapterOfRow.length;
    largestAdapter = largest;
    count = tiles.size();
    memory =
        DeviceMemory.copyOf(
            context, tiles.stream().flatMapToInt(java.util.Arrays::stream).toArray());
  }

  int rows() {
    return rows;
  }

  int count() {
    return count;
  }

  int largestAdapter() {
    return largestAdapter;
  }

  DeviceSpan span() {
    return memory.span();
  }

  @Override
  public void close() {
    memory.close();
  }
}
