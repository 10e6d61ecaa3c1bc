package io.peft4j.quant;

/**
 * Decodes 4-bit blocks into a scratch array: the 16 levels are scaled, and rounded to the target's
 * type, once a block; an element is then one lookup.
 */
abstract sealed class BlockDecoder {
  private final Codebook levels;

  private BlockDecoder(Codebook levels) {
    this.levels = levels;
  }

  static BlockDecoder of(Codebook levels, FloatType type, int capacity) {
    return type == FloatType.F32
        ? new Floats(levels, capacity)
        : new Halves(levels, type, capacity);
  }

  final float scaled(int code, float scale) {
    return levels.level(code) * scale;
  }

  /** Decodes {@code length} bytes from {@code at} on to twice that place in the scratch. */
  abstract void decode(byte[] packed, int at, int length, float scale);

  /** Writes {@code length} decoded elements. */
  abstract void flush(FloatSink sink, int start, int length);

  private static final class Floats extends BlockDecoder {
    private final float[] table = new float[16];
    private final float[] decoded;

    Floats(Codebook levels, int capacity) {
      super(levels);
      decoded = new float[capacity];
    }

    @Override
    void decode(byte[] packed, int at, int length, float scale) {
      float[] values = table;
      for (int code = 0; code < 16; code++) {
        values[code] = scaled(code, scale);
      }
      float[] target = decoded;
      for (int i = at; i < at + length; i++) {
        int pair = packed[i];
        target[2 * i] = values[pair >> 4 & 15];
        target[2 * i + 1] = values[pair & 15];
      }
    }

    @Override
    void flush(FloatSink sink, int start, int length) {
      sink.write(start, decoded, length);
    }
  }

  private static final class Halves extends BlockDecoder {
    private final FloatType type;
    private final short[] table = new short[16];
    private final short[] decoded;

    Halves(Codebook levels, FloatType type, int capacity) {
      super(levels);
      this.type = type;
      decoded = new short[capacity];
    }

    @Override
    void decode(byte[] packed, int at, int length, float scale) {
      short[] values = table;
      for (int code = 0; code < 16; code++) {
        values[code] = type.round(scaled(code, scale));
      }
      short[] target = decoded;
      for (int i = at; i < at + length; i++) {
        int pair = packed[i];
        target[2 * i] = values[pair >> 4 & 15];
        target[2 * i + 1] = values[pair & 15];
      }
    }

    @Override
    void flush(FloatSink sink, int start, int length) {
      sink.write(start, decoded, length);
    }
  }
}
