package io.peft4j.cuda;

import io.peft4j.quant.BlockScales;
import io.peft4j.quant.FourBitTensor;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * A 4-bit weight on the device: codes, levels and scales, as the kernels' {@code Weight} struct.
 */
public final class DeviceWeight implements AutoCloseable {
  private final List<DeviceMemory> owned = new ArrayList<>();
  private final long[] shape;
  private final long count;
  private final byte[] argument;
  private final long bytes;

  private DeviceWeight(CudaContext context, FourBitTensor tensor) {
    shape = tensor.shape();
    count = tensor.count();
    try {
      DeviceSpan codes = own(DeviceMemory.copyOf(context, tensor.codes()));
      DeviceSpan levels =
          own(DeviceMemory.copyOf(context, QuantizerTables.levels(tensor.type()).toArray()));
      DeviceSpan scales;
      DeviceSpan scaleCodes = null;
      DeviceSpan map = null;
      float offset = 0;
      int nestedBlock = 1;
      if (tensor.scales() instanceof BlockScales.Nested nested) {
        scales = own(DeviceMemory.copyOf(context, nested.absmax()));
        scaleCodes = own(DeviceMemory.copyOf(context, ByteBuffer.wrap(nested.codes())));
        map = own(DeviceMemory.copyOf(context, nested.map().toArray()));
        offset = nested.offset();
        nestedBlock = nested.blockSize();
      } else {
        scales = own(DeviceMemory.copyOf(context, ((BlockScales.Plain) tensor.scales()).absmax()));
      }
      argument =
          ByteBuffer.allocate(56)
              .order(ByteOrder.nativeOrder())
              .putLong(codes.address())
              .putLong(levels.address())
              .putLong(scales.address())
              .putLong(scaleCodes == null ? 0 : scaleCodes.address())
              .putLong(map == null ? 0 : map.address())
              .putFloat(offset)
              .putInt(Integer.numberOfTrailingZeros(tensor.blockSize()))
              .putInt(Integer.numberOfTrailingZeros(nestedBlock))
              .array();
    } catch (RuntimeException e) {
      close();
      throw e;
    }
    bytes = owned.stream().mapToLong(memory -> memory.span().bytes()).sum();
  }

  private DeviceSpan own(DeviceMemory memory) {
    owned.add(memory);
    return memory.span();
  }

  /**
   * Copies a weight to the device.
   *
   * @throws CudaException if it does not fit; nothing stays allocated then
   */
  public static DeviceWeight copyOf(CudaContext context, FourBitTensor tensor) {
    return new DeviceWeight(context, tensor);
  }

  /** The weight's shape before quantization. */
  public long[] shape() {
    return shape.clone();
  }

  /** Elements. */
  public long count() {
    return count;
  }

  /** Bytes taken on the device. */
  public long bytes() {
    return bytes;
  }

  int outputs() {
    requireMatrix();
    return Math.toIntExact(shape[0]);
  }

  int inputs() {
    requireMatrix();
    return Math.toIntExact(shape[1]);
  }

  private void requireMatrix() {
    if (shape.length != 2) {
      throw new IllegalArgumentException(
          String.format(Locale.ROOT, "expected a matrix, found %d axes", shape.length));
    }
  }

  byte[] argument() {
    owned.get(0).span(); // throws if closed
    return argument;
  }

  @Override
  public void close() {
    DeviceMemory.closeAll(owned);
  }
}
