package io.peft4j.cuda;

import io.peft4j.quant.FloatType;
import io.peft4j.quant.FourBitTensor;
import io.peft4j.quant.QuantType;
import io.peft4j.quant.QuantizationConfig;
import io.peft4j.quant.Quantizer;
import java.nio.ByteBuffer;

/** A context, and what a test keeps on the device until it ends. */
final class Gpu implements AutoCloseable {
  final CudaContext context = CudaContext.open(0);
  private final Workbench bench;

  Gpu(long seed) {
    bench = new Workbench(context, seed);
  }

  <T extends AutoCloseable> T keep(T resource) {
    return bench.keep(resource);
  }

  /** Values drawn from N(0, spread), such that they are exact in {@code type}. */
  float[] normal(int count, double spread, FloatType type) {
    return bench.draw(count, spread, type);
  }

  int integer(int bound) {
    return bench.drawBelow(bound);
  }

  static float[] rounded(float[] values, FloatType type) {
    return Workbench.rounded(values, type);
  }

  static ByteBuffer bytes(float[] values, FloatType type) {
    return Workbench.bytes(values, type);
  }

  DeviceMemory upload(float[] values, FloatType type) {
    return bench.upload(values, type);
  }

  DeviceMemory empty(long elements, FloatType type) {
    return bench.allocate(elements * type.bytes());
  }

  DeviceMemory bytes(long count) {
    return bench.allocate(count);
  }

  DeviceMemory zeros(int count) {
    return bench.zeros(count);
  }

  static float[] floats(DeviceMemory memory, FloatType type) {
    return type.toFloats(memory.download());
  }

  static byte[] raw(DeviceMemory memory) {
    byte[] result = new byte[(int) memory.span().bytes()];
    memory.download().get(result);
    return result;
  }

  FourBitTensor quantized(QuantType type, int blockSize, boolean nested, long... shape) {
    long count = 1;
    for (long axis : shape) {
      count *= axis;
    }
    QuantizationConfig config =
        QuantizationConfig.of(type).withBlockSize(blockSize).withDoubleQuant(nested);
    return (FourBitTensor)
        new Quantizer(config).quantize(normal((int) count, 0.05, FloatType.F32), shape);
  }

  DeviceWeight place(FourBitTensor tensor) {
    return keep(DeviceWeight.copyOf(context, tensor));
  }

  @Override
  public void close() {
    try {
      bench.close();
    } finally {
      context.close();
    }
  }
}
