package io.peft4j.torch;

import ai.djl.ndarray.NDArray;
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
    NDArray mask = Ops.emptyLike(x);
    ByteBuffer memory = mask.toByteBuffer(true).order(ByteOrder.nativeOrder());
    if (half) {
      fillHalf(memory, x.size(), threshold, scale, key);
    } else {
      fillFloat(memory, x.size(), threshold, scale, key);
    }
    return mask;
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
