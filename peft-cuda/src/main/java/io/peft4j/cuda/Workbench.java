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
  private final SplittableRandom random = new SplittableRandom(SEED);
  private final List<DeviceMemory> memories = new ArrayList<>();
  private final List<AutoCloseable> others = new ArrayList<>();

  Workbench(CudaContext context) {
    this.context = context;
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

  private static ByteBuffer bytes(float[] values, FloatType type) {
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

  DeviceMemory keep(DeviceMemory memory) {
    memories.add(memory);
    return memory;
  }

  DeviceWeight keep(DeviceWeight weight) {
    others.add(weight);
    return weight;
  }

  AdapterTable keep(AdapterTable table) {
    others.add(table);
    return table;
  }

  QuantizerTables keep(QuantizerTables tables) {
    others.add(tables);
    return tables;
  }

  OptimizerKernels keep(OptimizerKernels kernels) {
    others.add(kernels);
    return kernels;
  }

  @Override
  public void close() {
    try {
      for (AutoCloseable other : others) {
        other.close();
      }
    } catch (CudaException e) {
      throw e;
    } catch (Exception e) {
      throw new IllegalStateException(e);
    } finally {
      DeviceMemory.closeAll(memories);
    }
  }
}
