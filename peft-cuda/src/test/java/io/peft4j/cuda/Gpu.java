package io.peft4j.cuda;

import io.peft4j.quant.FloatType;
import io.peft4j.quant.FourBitTensor;
import io.peft4j.quant.QuantType;
import io.peft4j.quant.QuantizationConfig;
import io.peft4j.quant.Quantizer;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/** A context, and what a test keeps on the device until it ends. */
final class Gpu implements AutoCloseable {
  final CudaContext context = CudaContext.open(0);
  private final List<AutoCloseable> owned = new ArrayList<>();
  private final SplittableRandom random;

  Gpu(long seed) {
    random = new SplittableRandom(seed);
  }

  <T extends AutoCloseable> T keep(T resource) {
    owned.add(resource);
    return resource;
  }

  /** Values drawn from N(0, spread), such that they are exact in {@code type}. */
  float[] normal(int count, double spread, FloatType type) {
    float[] values = new float[count];
    for (int i = 0; i < count; i++) {
      values[i] = (float) (spread * random.nextGaussian());
    }
    return rounded(values, type);
  }

  int integer(int bound) {
    return random.nextInt(bound);
  }

  static float[] rounded(float[] values, FloatType type) {
    return type.toFloats(bytes(values, type));
  }

  static ByteBuffer bytes(float[] values, FloatType type) {
    ByteBuffer bytes =
        ByteBuffer.allocate(values.length * type.bytes()).order(ByteOrder.LITTLE_ENDIAN);
    type.fromFloats(values, bytes);
    return bytes.rewind();
  }

  DeviceMemory upload(float[] values, FloatType type) {
    return keep(DeviceMemory.copyOf(context, bytes(values, type)));
  }

  DeviceMemory empty(long elements, FloatType type) {
    return keep(DeviceMemory.allocate(context, elements * type.bytes()));
  }

  DeviceMemory bytes(long count) {
    return keep(DeviceMemory.allocate(context, count));
  }

  DeviceMemory zeros(int count) {
    return keep(DeviceMemory.copyOf(context, ByteBuffer.allocate(count)));
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
      for (AutoCloseable resource : owned) {
        resource.close();
      }
    } catch (Exception e) {
      throw new IllegalStateException(e);
    } finally {
      context.close();
    }
  }
}
