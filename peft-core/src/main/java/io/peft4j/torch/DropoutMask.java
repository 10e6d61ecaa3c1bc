package io.peft4j.torch;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.engine.PtNDManager;
import ai.djl.pytorch.jni.JniUtils;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * Dropout masks by counter: element i is a function of a key and i alone, from the SplitMix64
 * finalizer (Steele et al., 2014), four elements a hash. On a CPU this is many times faster than
 * libtorch's generator, whose state would moreover have to be saved and restored.
 */
public final class DropoutMask {

  private static final int CHUNK = 8192;
  private static final long GOLDEN = 0x9E3779B97F4A7C15L;

  private DropoutMask() {}

  /** {@return a new key, from {@code key} and {@code salt}} */
  public static long mix(long key, long salt) {
    return finalizer(key + GOLDEN * (salt + 1));
  }

  private static long finalizer(long z) {
    z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
    z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
    return z ^ (z >>> 31);
  }

  /**
   * @param p probability of a zero, in [0, 1); used to 1/65536
   * @return an array like {@code x} in shape, type and owner: 0 with probability p, else 1/(1-p)
   */
  public static NDArray like(NDArray x, double p, long key) {
    boolean half = Ops.isBfloat16(x);
    int threshold = (int) Math.round(p * 65536);
    float scale = 65536f / (65536 - threshold);
    NDManager manager = x.getManager();
    NDArray mask = half ? bfloat16(manager, x.getShape()) : empty(manager, x.getShape());
    ByteBuffer memory = mask.toByteBuffer(true).order(ByteOrder.nativeOrder());
    if (half) {
      fillHalf(memory, x.size(), threshold, scale, key);
      try (NDArray bytes = mask) {
        return Ops.reinterpret(bytes, NativeTensor.Type.BFLOAT16, x.getShape());
      }
    }
    fillFloat(memory, x.size(), threshold, scale, key);
    return mask;
  }

  private static NDArray empty(NDManager manager, Shape shape) {
    return JniUtils.createEmptyNdArray(
        (PtNDManager) manager, shape, DataType.FLOAT32, manager.getDevice(), null);
  }

  /** Uninitialized bytes that make up bfloat16 elements of {@code shape}. */
  private static NDArray bfloat16(NDManager manager, Shape shape) {
    long[] bytes = shape.getShape().clone();
    bytes[bytes.length - 1] *= 2;
    return JniUtils.createEmptyNdArray(
        (PtNDManager) manager, new Shape(bytes), DataType.UINT8, manager.getDevice(), null);
  }

  private static void fillHalf(ByteBuffer memory, long size, int threshold, float scale, long key) {
    short keep = (short) ((Float.floatToRawIntBits(scale) + 0x8000) >>> 16);
    short[] chunk = new short[CHUNK];
    long counter = key;
    for (long done = 0; done < size; done += CHUNK) {
      int n = (int) Math.min(CHUNK, size - done);
      for (int i = 0; i < n; i += 4) {
        counter += GOLDEN;
        long bits = finalizer(counter);
        for (int j = 0; j < 4; j++) {
          chunk[i + j] = (int) (bits & 0xFFFF) < threshold ? 0 : keep;
          bits >>>= 16;
        }
      }
      memory.asShortBuffer().put(chunk, 0, n);
      memory.position(memory.position() + n * Short.BYTES);
    }
  }

  private static void fillFloat(
      ByteBuffer memory, long size, int threshold, float scale, long key) {
    float[] chunk = new float[CHUNK];
    long counter = key;
    for (long done = 0; done < size; done += CHUNK) {
      int n = (int) Math.min(CHUNK, size - done);
      for (int i = 0; i < n; i += 4) {
        counter += GOLDEN;
        long bits = finalizer(counter);
        for (int j = 0; j < 4; j++) {
          chunk[i + j] = (int) (bits & 0xFFFF) < threshold ? 0 : scale;
          bits >>>= 16;
        }
      }
      memory.asFloatBuffer().put(chunk, 0, n);
      memory.position(memory.position() + n * Float.BYTES);
    }
  }
}
