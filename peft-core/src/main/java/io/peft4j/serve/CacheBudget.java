package io.peft4j.serve;

import io.peft4j.model.DecodingSlots;
import java.util.Collection;
import java.util.Locale;

/**
 * How much memory keys and values take, of all lanes together. A lane's are a rectangle: as many
 * slots as sequences, as many columns as the longest has tokens.
 */
final class CacheBudget {

  private final long budget;
  private final long bytesPerToken;
  private final int most;

  /**
   * @param most sequences at a time
   */
  CacheBudget(long budget, long bytesPerToken, int most) {
    this.budget = budget;
    this.bytesPerToken = bytesPerToken;
    this.most = most;
  }

  long bytes(Collection<Lane> lanes) {
    return lanes.stream().mapToLong(this::bytes).sum();
  }

  private long bytes(Lane lane) {
    return bytes(lane.slots().slots(), lane.slots().capacity());
  }

  private long bytes(int slots, int capacity) {
    return bytesPerToken * slots * capacity;
  }

  /** {@return whether a sequence of {@code length} tokens can run by itself} */
  boolean takes(int length) {
    return bytes(1, DecodingSlots.columns(length)) <= budget;
  }

  String tooSmall(int length) {
    return String.format(
        Locale.ROOT,
        "a sequence of %d tokens takes %d bytes of keys and values; the budget is %d",
        length,
        bytes(1, DecodingSlots.columns(length)),
        budget);
  }

  /**
   * Makes room in a lane, with some to spare if there is.
   *
   * @param more rows than it has
   * @param length of its longest row, at least
   * @return whether there is room
   */
  boolean reserve(Lane lane, Collection<Lane> all, int more, int length) {
    DecodingSlots slots = lane.slots();
    int rows = lane.rows().size() + more;
    int columns = DecodingSlots.columns(Math.max(length, slots.longest()));
    if (rows <= slots.slots() && columns <= slots.capacity()) {
      return true;
    }
    long others = bytes(all) - bytes(lane);
    int spareRows = Math.min(most, Math.max(rows, 2 * slots.slots()));
    int spareColumns = DecodingSlots.columns(columns + columns / 2);
    int manyRows = rows <= slots.slots() ? slots.slots() : spareRows;
    int manyColumns = columns <= slots.capacity() ? slots.capacity() : spareColumns;
    for (int[] size : new int[][] {{manyRows, manyColumns}, {rows, columns}}) {
      if (others + bytes(size[0], size[1]) <= budget) {
        slots.resize(size[0], size[1]);
        return true;
      }
    }
    return false;
  }
}
