package io.peft4j.quant;

import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.Locale;

/**
 * Blockwise 8-bit quantization on a dynamic map: for optimizer states, and the scales of double
 * quantization. Codes and scales are those of bitsandbytes' {@code quantize_blockwise} on the CPU.
 *
 * <p>bitsandbytes does not search the nearest level there: it cuts [-1, 1] into 65,536 steps and
 * looks the level of the nearest step up, which near a midpoint of two levels differs from the
 * nearest one. Equal bytes need the same table, and the fused multiply-add its compiler makes.
 */
public final class DynamicQuantizer {
  private static final int STEPS = 65536;
  private static final int CHUNK = 4096;

  private static final DynamicQuantizer SIGNED = new DynamicQuantizer(Codebook.DYNAMIC_SIGNED);
  private static final DynamicQuantizer UNSIGNED = new DynamicQuantizer(Codebook.DYNAMIC_UNSIGNED);

  private final Codebook map;
  private final byte[] codeOfStep = new byte[STEPS];

  private DynamicQuantizer(Codebook map) {
    this.map = map;
    int code = 0;
    for (int step = 0; step < STEPS; step++) {
      float value = -1f + 2f * step / (STEPS - 1);
      while (code < map.size() - 1 && 0.5f * (map.level(code) + map.level(code + 1)) < value) {
        code++;
      }
      codeOfStep[step] = (byte) code;
    }
  }

  /** For values of both signs, such as first moments. */
  public static DynamicQuantizer signed() {
    return SIGNED;
  }

  /** For values that are never negative, such as second moments. */
  public static DynamicQuantizer unsigned() {
    return UNSIGNED;
  }

  /** What the codes stand for. */
  public Codebook map() {
    return map;
  }

  /**
   * Quantizes {@code values}. Nothing is allocated but a little scratch a task.
   *
   * @param blockSize elements that share a scale, a power of two from 32 to 4096
   * @param codes takes one byte an element
   * @param absmax takes one scale a block
   * @throws QuantizationException if an element is infinite or NaN, or a size does not fit
   */
  public void quantize(float[] values, int blockSize, byte[] codes, float[] absmax) {
    quantize(FloatSource.of(values), blockSize, codes, absmax);
  }

  /**
   * Quantizes the elements of {@code type} between the buffer's position and limit.
   *
   * @see #quantize(float[], int, byte[], float[])
   */
  public void quantize(
      ByteBuffer values, FloatType type, int blockSize, byte[] codes, float[] absmax) {
    quantize(FloatSource.of(values, type), blockSize, codes, absmax);
  }

  void quantize(FloatSource source, int blockSize, byte[] codes, float[] absmax) {
    int count = Math.toIntExact(source.count());
    int blocks = checkSizes(count, blockSize, codes, absmax);
    Parallel.run(
        blocks,
        blockSize,
        (from, to) -> {
          FloatSource.Reader reader = source.reader();
          int[] bits = new int[blockSize];
          for (int block = from; block < to; block++) {
            int start = block * blockSize;
            int length = Math.min(blockSize, count - start);
            reader.read(start, bits, length);
            absmax[block] = encode(bits, start, length, codes);
          }
        });
  }

  private float encode(int[] bits, int start, int length, byte[] codes) {
    float largest = Magnitude.largest(bits, 0, length, start);
    if (largest == 0) { // bitsandbytes has code 0, not the code of zero
      Arrays.fill(codes, start, start + length, (byte) 0);
      return largest;
    }
    float inverse = 1 / largest;
    byte[] table = codeOfStep;
    for (int i = 0; i < length; i++) {
      float scaled = Float.intBitsToFloat(bits[i]) * inverse;
      // an inverse that overflowed makes infinities, and NaN of zeros, which casts to step 0
      float clamped = Math.max(-1f, Math.min(1f, scaled));
      codes[start + i] = table[(int) Math.fma((clamped + 1f) * 0.5f, STEPS - 1, 0.5f)];
    }
    return largest;
  }

  /**
   * Restores values.
   *
   * @param codes one byte an element
   * @param absmax one scale a block
   * @param values takes {@code codes.length} elements
   * @throws QuantizationException if a size does not fit
   */
  public void dequantize(byte[] codes, float[] absmax, int blockSize, float[] values) {
    checkSizes(values.length, blockSize, codes, absmax);
    int chunk = Math.max(CHUNK, blockSize);
    int chunks = (codes.length + chunk - 1) / chunk;
    Parallel.run(
        chunks,
        chunk,
        (from, to) -> {
          int end = (int) Math.min(codes.length, (long) to * chunk);
          for (int i = from * chunk; i < end; i++) {
            values[i] = map.level(codes[i] & 0xff) * absmax[i / blockSize];
          }
        });
  }

  private static int checkSizes(int count, int blockSize, byte[] codes, float[] absmax) {
    QuantizationConfig.checkBlockSize(blockSize);
    int blocks = (int) (((long) count + blockSize - 1) / blockSize);
    if (codes.length != count || absmax.length != blocks) {
      throw new QuantizationException(
          String.format(
              Locale.ROOT,
              "%d elements in blocks of %d take %d codes and %d scales, found room for %d and %d",
              count,
              blockSize,
              count,
              blocks,
              codes.length,
              absmax.length));
    }
    return blocks;
  }
}
