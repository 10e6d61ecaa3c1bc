package io.peft4j.torch;

import ai.djl.ndarray.NDArray;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.stream.IntStream;

/**
 * Dropout masks by counter: element i is a function of a key and i alone, from a hash of 32 bits
 * for each two elements (rounds of xor-shift and multiply with constants of C. Wellons'
 * hash-prospector, half of the key going in before the first and half before the second). On a CPU
 * this is many times faster than libtorch's generator, whose state would moreover have to be saved
 * and restored. The loops are kept so plain that the JIT compiler makes vector instructions of
 * them.
 */
public final class DropoutMask {

  /** Pairs of elements made at a time. */
  private static final int CHUNK = 4096;

  private static final long GOLDEN = 0x9E3779B97F4A7C15L;
  private static final int[] COUNTERS = IntStream.range(0, CHUNK).toArray();

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
    int threshold = (int) Math.round(p * 65536);
    float scale = 65536f / (65536 - threshold);
    if (x.getDevice().isGpu()) {
      return byOperations(x, threshold, scale, key);
    }
    NDArray mask = Ops.emptyLike(x);
    ByteBuffer memory = mask.toByteBuffer(true).order(ByteOrder.nativeOrder());
    int[] kept = new int[CHUNK];
    float[] wide = Ops.isBfloat16(x) ? null : new float[2 * CHUNK];
    int keep = half(scale);
    long size = x.size();
    for (long done = 0; done < size; done += 2 * CHUNK) {
      int n = (int) Math.min(2 * CHUNK, size - done);
      draw(kept, (int) (done / 2), key, threshold);
      if (wide == null) {
        putHalf(memory, kept, n, keep | keep << 16);
      } else {
        putFloat(memory, kept, wide, n, scale);
      }
    }
    return mask;
  }

  /** {@return the upper half of a float32, rounded} */
  private static int half(float value) {
    return (Float.floatToRawIntBits(value) + 0x8000) >>> 16;
  }

  /** The same mask, made by operations of libtorch where {@code x} lies. */
  static NDArray byOperations(NDArray x, int threshold, float scale, long key) {
    // where all are dropped the scale is infinite, and not to be multiplied with
    float finite = threshold == 65536 ? 0 : scale;
    float rounded = Ops.isBfloat16(x) ? Float.intBitsToFloat(half(finite) << 16) : finite;
    try (NDArray settings =
        HostTensors.numbers(
            x.getManager(),
            (double) threshold,
            rounded,
            (double) (key & 0xFFFFFFFFL),
            (double) (key >>> 32))) {
      return OpsScript.call("dropout_mask", x, settings);
    }
  }

  /** Fills {@code kept} with pairs of 16 bits, all ones for an element that is kept, else zeros. */
  private static void draw(int[] kept, int firstCounter, long key, int threshold) {
    int low = (int) key;
    int high = (int) (key >>> 32);
    for (int i = 0; i < CHUNK; i++) {
      int h = (COUNTERS[i] + firstCounter) ^ low;
      h = (h ^ (h >>> 16)) * 0x21F0AAAD;
      h = ((h ^ (h >>> 15)) + high) * 0xD35A2D97;
      h = (h ^ (h >>> 16)) * 0x21F0AAAD;
      h ^= h >>> 15;
      int dropFirst = ((h & 0xFFFF) - threshold) >> 31;
      int dropSecond = ((h >>> 16) - threshold) >> 31;
      kept[i] = ~((dropFirst & 0xFFFF) | (dropSecond << 16));
    }
  }

  private static void putHalf(ByteBuffer memory, int[] kept, int n, int scales) {
    for (int i = 0; i < CHUNK; i++) {
      kept[i] &= scales;
    }
    // The pair's first element is the lower half, which the byte orders of all CPUs that libtorch
    // runs on put first.
    memory.asIntBuffer().put(kept, 0, n / 2);
    memory.position(memory.position() + n / 2 * Integer.BYTES);
    if (n % 2 == 1) {
      memory.putShort((short) kept[n / 2]);
    }
  }

  private static void putFloat(ByteBuffer memory, int[] kept, float[] wide, int n, float scale) {
    for (int i = 0; i < CHUNK; i++) {
      wide[2 * i] = (kept[i] & 1) == 0 ? 0 : scale;
      wide[2 * i + 1] = kept[i] >= 0 ? 0 : scale;
    }
    memory.asFloatBuffer().put(wide, 0, n);
    memory.position(memory.position() + n * Float.BYTES);
  }
}
