package io.peft4j.quant;

/**
 * Decodes 4-bit blocks into a scratch array: the 16 levels are scaled, and rounded to the target's
 * type, once a block; a byte of codes is then two lookups and one store of the pair.
 */
abstract sealed class BlockDecoder {
  private final Codebook levels;

  private BlockDecoder(Codebook levels) {
    this.levels = levels;
  }

  static BlockDecoder of(Codebook levels, FloatType type, int capacity) {
    return type == FloatType.F32
        ? new Floats(levels, capacity / 2)
        : new Halves(levels, type, capacity / 2);
  }

  final float scaled(int code, float scale) {
    return levels.level(code) * scale;
  }

  /** Decodes {@code length} bytes from {@code at} on to the same place among the pairs. */
  abstract void decode(byte[] packed, int at, int length, float scale);

  /** Writes {@code length} decoded elements. */
  abstract void flush(FloatSink sink, int start, int length);

  /** Pairs of float32, the first in the low half. */
  private static final class Floats extends BlockDecoder {
    private final long[] table = new long[16];
    private final long[] pairs;

    Floats(Codebook levels, int capacity) {
      super(levels);
      pairs = new long[capacity];
    }

    @Override
    void decode(byte[] packed, int at, int length, float scale) {
      long[] bits = table;
      for (int code = 0; code < 16; code++) {
        bits[code] = Float.floatToRawIntBits(scaled(code, scale)) & 0xffff_ffffL;
      }
      long[] target = pairs;
      for (int i = at; i < at + length; i++) {
        int codes = packed[i];
        target[i] = bits[codes >> 4 & 15] | bits[codes & 15] << 32;
      }
    }

    @Override
    void flush(FloatSink sink, int start, int length) {
      sink.write(start, pairs, length);
    }
  }

  /** Pairs of 16-bit floats, the first in the low half. */
  private static final class Halves extends BlockDecoder {
    private final FloatType type;
    private final int[] table = new int[16];
    private final int[] pairs;

    Halves(Codebook levels, FloatType type, int capacity) {
      super(levels);
      this.type = type;
      pairs = new int[capacity];
    }

    @Override
    void decode(byte[] packed, int at, int length, float scale) {
      int[] bits = table;
      if (type == FloatType.BF16) {
        for (int code = 0; code < 16; code++) {
          bits[code] = Half.finiteToBf16Bits(scaled(code, scale));
        }
      } else {
        for (int code = 0; code < 16; code++) {
          bits[code] = Half.toF16(scaled(code, scale)) & 0xffff;
        }
      }
      int[] target = pairs;
      for (int i = at; i < at + length; i++) {
        int codes = packed[i];
        target[i] = bits[codes >> 4 & 15] | bits[codes & 15] << 16;
      }
    }

    @Override
    void flush(FloatSink sink, int start, int length) {
      sink.write(start, pairs, length);
    }
  }
}
