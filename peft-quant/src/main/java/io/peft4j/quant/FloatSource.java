package io.peft4j.quant;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.IntBuffer;
import java.nio.ShortBuffer;
import java.util.Locale;

/** Elements of any float type, read in runs as the bit patterns of float32. */
interface FloatSource {
  FloatType type();

  long count();

  /** A reader for one thread. */
  Reader reader();

  /** Copies runs of elements. */
  interface Reader {
    /** Fills {@code bits[0..length)} with the elements from {@code start} on. */
    void read(int start, int[] bits, int length);
  }

  /**
   * The elements between the buffer's position and limit, little-endian, neither of which moves.
   */
  static FloatSource of(ByteBuffer buffer, FloatType type) {
    ByteBuffer data = buffer.slice().order(ByteOrder.LITTLE_ENDIAN);
    if (data.remaining() % type.bytes() != 0) {
      throw new QuantizationException(
          String.format(
              Locale.ROOT,
              "%d bytes are no whole number of %s elements",
              data.remaining(),
              type.torchName()));
    }
    return new FloatSource() {
      @Override
      public FloatType type() {
        return type;
      }

      @Override
      public long count() {
        return data.remaining() / type.bytes();
      }

      @Override
      public Reader reader() {
        if (type == FloatType.F32) {
          IntBuffer ints = data.asIntBuffer();
          return (start, bits, length) -> ints.get(start, bits, 0, length);
        }
        return new HalfReader(data.asShortBuffer(), type);
      }
    };
  }

  static FloatSource of(float[] values) {
    return new FloatSource() {
      @Override
      public FloatType type() {
        return FloatType.F32;
      }

      @Override
      public long count() {
        return values.length;
      }

      @Override
      public Reader reader() {
        return (start, bits, length) -> {
          for (int i = 0; i < length; i++) {
            bits[i] = Float.floatToRawIntBits(values[start + i]);
          }
        };
      }
    };
  }

  /** Widens 16-bit elements through a scratch array. */
  final class HalfReader implements Reader {
    private final ShortBuffer source;
    private final FloatType type;
    private short[] scratch = new short[0];

    HalfReader(ShortBuffer source, FloatType type) {
      this.source = source;
      this.type = type;
    }

    @Override
    public void read(int start, int[] bits, int length) {
      if (scratch.length < length) {
        scratch = new short[length];
      }
      short[] halves = scratch;
      source.get(start, halves, 0, length);
      if (type == FloatType.BF16) {
        for (int i = 0; i < length; i++) {
          bits[i] = halves[i] << 16;
        }
      } else {
        for (int i = 0; i < length; i++) {
          bits[i] = Half.f16ToF32Bits(halves[i]);
        }
      }
    }
  }
}
