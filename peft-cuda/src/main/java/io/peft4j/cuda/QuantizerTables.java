package io.peft4j.cuda;

import io.peft4j.quant.Codebook;
import io.peft4j.quant.QuantType;
import java.nio.ByteBuffer;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;

/**
 * What the quantization kernel looks codes up in: midpoints of neighbouring levels, and their
 * codes.
 */
public final class QuantizerTables implements AutoCloseable {
  private final DeviceMemory midpoints;
  private final DeviceMemory codeOfRank;

  /**
   * Copies the tables to the device.
   *
   * @param type NF4 or FP4
   */
  public QuantizerTables(CudaContext context, QuantType type) {
    Codebook book = levels(type);
    int[] order =
        IntStream.range(0, book.size())
            .boxed()
            // not Float.compare: FP4's two zeros are equal, and stay in the order of their codes
            .sorted(Comparator.comparing(book::level, (a, b) -> a < b ? -1 : a > b ? 1 : 0))
            .mapToInt(Integer::intValue)
            .toArray();
    float[] middles = new float[order.length - 1];
    for (int i = 0; i < middles.length; i++) {
      middles[i] = (book.level(order[i]) + book.level(order[i + 1])) / 2;
    }
    ByteBuffer codes = ByteBuffer.allocate(order.length);
    for (int code : order) {
      codes.put((byte) code);
    }
    midpoints = DeviceMemory.copyOf(context, middles);
    try {
      codeOfRank = DeviceMemory.copyOf(context, codes.flip());
    } catch (RuntimeException e) {
      midpoints.close();
      throw e;
    }
  }

  /** A 4-bit type's levels. */
  static Codebook levels(QuantType type) {
    return switch (type) {
      case NF4 -> Codebook.NF4;
      case FP4 -> Codebook.FP4;
      case INT8 -> throw new IllegalArgumentException("int8 has no levels");
    };
  }

  DeviceSpan midpoints() {
    return midpoints.span();
  }

  DeviceSpan codeOfRank() {
    return codeOfRank.span();
  }

  @Override
  public void close() {
    DeviceMemory.closeAll(List.of(midpoints, codeOfRank));
  }
}
