package io.peft4j.quant;

import java.util.Locale;

/** The scale of every block of a 4-bit tensor. Arrays are the owner's, not copied. */
public sealed interface BlockScales {
  /** The block size of double quantization. */
  int NESTED_BLOCK = 256;

  /** How many blocks there are. */
  int count();

  /** The scale of a block. */
  float at(int block);

  /** Bytes the scales take in a file, code books included. */
  long storedBytes();

  /**
   * The largest magnitudes themselves.
   *
   * @param absmax one a block
   */
  record Plain(float[] absmax) implements BlockScales {
    @Override
    public int count() {
      return absmax.length;
    }

    @Override
    public float at(int block) {
      return absmax[block];
    }

    @Override
    public long storedBytes() {
      return 4L * absmax.length;
    }
  }

  /**
   * Double quantization: scales less their mean, themselves quantized blockwise to 8 bits.
   *
   * @param codes one a block
   * @param map what the codes stand for
   * @param absmax the scale of each run of {@code blockSize} codes
   * @param blockSize scales a run
   * @param offset the scales' mean
   */
  record Nested(byte[] codes, Codebook map, float[] absmax, int blockSize, float offset)
      implements BlockScales {
    @Override
    public int count() {
      return codes.length;
    }

    @Override
    public float at(int block) {
      return map.level(codes[block] & 0xff) * absmax[block / blockSize] + offset;
    }

    @Override
    public long storedBytes() {
      return codes.length + 4L * absmax.length + 4L * map.size();
    }
  }

  /**
   * Double-quantizes the scales.
   *
   * @throws QuantizationException if their sum leaves the range of float32
   */
  static Nested nest(float[] absmax) {
    float offset = TorchMean.mean(absmax);
    if (!Float.isFinite(offset)) {
      throw new QuantizationException(
          String.format(
              Locale.ROOT,
              "the mean of %d block scales overflows float32; use double quantization on smaller weights",
              absmax.length));
    }
    float[] centred = new float[absmax.length];
    for (int i = 0; i < absmax.length; i++) {
      centred[i] = absmax[i] - offset;
    }
    byte[] codes = new byte[absmax.length];
    float[] nested = new float[(absmax.length + NESTED_BLOCK - 1) / NESTED_BLOCK];
    DynamicQuantizer.signed().quantize(FloatSource.of(centred), NESTED_BLOCK, codes, nested);
    return new Nested(codes, Codebook.DYNAMIC_SIGNED, nested, NESTED_BLOCK, offset);
  }
}
