package io.peft4j.cuda;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;

/** Low-rank adapters of one projection, for the batched products. */
public final class AdapterTable implements AutoCloseable {
  /**
   * An adapter's factors.
   *
   * @param a {@code [rank, K]}
   * @param b {@code [N, rank]}
   * @param rank at least 1
   * @param scale what the product is multiplied with, alpha / rank or the like
   */
  public record Entry(DeviceSpan a, DeviceSpan b, int rank, float scale) {
    /** Checks the rank. */
    public Entry {
      if (rank < 1) {
        throw new IllegalArgumentException("an adapter's rank must be positive, found " + rank);
      }
    }
  }

  private static final int ENTRY_BYTES = 24;

  private final List<Entry> entries;
  private final DeviceMemory memory;

  /**
   * Copies the table to the device, the factors stay where they are.
   *
   * @param entries at least one; the factors stay the caller's
   */
  public AdapterTable(CudaContext context, List<Entry> entries) {
    this.entries = List.copyOf(entries);
    ByteBuffer bytes =
        ByteBuffer.allocate(ENTRY_BYTES * entries.size()).order(ByteOrder.nativeOrder());
    for (Entry entry : entries) {
      bytes
          .putLong(entry.a().address())
          .putLong(entry.b().address())
          .putInt(entry.rank())
          .putFloat(entry.scale());
    }
    memory = DeviceMemory.copyOf(context, bytes.flip());
  }

  /** The greatest rank. */
  public int maxRank() {
    return entries.stream().mapToInt(Entry::rank).max().orElseThrow();
  }

  void checkFactors(int inputs, int outputs, int elementBytes) {
    for (Entry entry : entries) {
      entry.a().require("A", (long) entry.rank() * inputs * elementBytes);
      entry.b().require("B", (long) entry.rank() * outputs * elementBytes);
    }
  }

  int size() {
    return entries.size();
  }

  DeviceSpan span() {
    return memory.span();
  }

  @Override
  public void close() {
    memory.close();
  }
}
