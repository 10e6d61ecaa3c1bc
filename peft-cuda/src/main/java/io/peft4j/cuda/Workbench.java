package io.peft4j.cuda;

import io.peft4j.quant.FloatType;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/** Operands for the self-test: drawn numbers, and device memory that is freed together. */
final class Workbench implements AutoCloseable {
  private static final long SEED = 20231101;

  final CudaContext context;
  private final SplittableRandom random;
  private final List<AutoCloseable> owned = new ArrayList<>();

  Workbench(CudaContext context) {
    this(context, SEED);
  }

  /**
   * @param context stays the caller's
   */
  Workbench(CudaContext context, long seed) {
    this.context = context;
    this.random = new SplittableRandom(seed);
  }

  /** From N(0, spread), exact in {@code type}. */
  float[] draw(int count, double spread, FloatType type) {
    float[] values = new float[count];
    for (int i = 0; i < count; i++) {
      values[i] = (float) (spread * random.nextGaussian());
    }
    return rounded(values, type);
  }

  int drawBelow(int bound) {
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

  DeviceMemory allocate(long bytes) {
    return keep(DeviceMemory.allocate(context, bytes));
  }

  DeviceMemory zeros(int bytes) {
    return keep(DeviceMemory.copyOf(context, ByteBuffer.allocate(bytes)));
  }

  /** Closes {@code resource} with the others. */
  <T extends AutoCloseable> T keep(T resource) {
    owned.add(resource);
    return resource;
  }

  @Override
  public void close() {
    CudaException failed = null;
    for (AutoCloseable resource : owned) {
      try {
        resource.close();
      } catch (CudaException e) {
        failed = failed == null ? e : failed; // the others are to go all the same
      } catch (Exception e) {
        throw new IllegalStateException(e);
      }
    }
    if (failed != null) {
      throw failed;
    }
  }
}
