package io.peft4j.quant;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * Where dequantized elements go, in runs. The runs of pairs hold two elements an array element, the
 * first in the low half.
 */
abstract sealed class FloatSink {
  private final FloatType type;

  private FloatSink(FloatType type) {
    this.type = type;
  }

  final FloatType type() {
    return type;
  }

  /** How many elements fit. */
  abstract long capacity();

  /** Writes a run of float32 elements. Only for {@link FloatType#F32}. */
  abstract void write(int start, float[] values, int length);

  /** Writes {@code length} elements from pairs of float32. Only for {@link FloatType#F32}. */
  abstract void write(int start, long[] pairs, int length);

  /** Writes {@code length} elements from pairs of 16-bit elements. Only for the 16-bit types. */
  abstract void write(int start, int[] pairs, int length);

  /** The room between the buffer's position and limit, little-endian, neither of which moves. */
  static FloatSink of(ByteBuffer buffer, FloatType type) {
    return new Bytes(buffer.slice().order(ByteOrder.LITTLE_ENDIAN), type);
  }

  static FloatSink of(float[] target) {
    return new Floats(target);
  }

  private static final class Bytes extends FloatSink {
    private final ByteBuffer data;

    Bytes(ByteBuffer data, FloatType type) {
      super(type);
      this.data = data;
    }

    @Override
    long capacity() {
      return data.remaining() / type().bytes();
    }

    private ByteBuffer from(int start) {
      return data.duplicate().order(ByteOrder.LITTLE_ENDIAN).position(start * type().bytes());
    }

    @Override
    void write(int start, float[] values, int length) {
      from(start).asFloatBuffer().put(values, 0, length);
    }

    @Override
    void write(int start, long[] pairs, int length) {
      from(start).asLongBuffer().put(pairs, 0, length / 2);
      if (length % 2 == 1) {
        data.putInt(4 * (start + length - 1), (int) pairs[length / 2]);
      }
    }

    @Override
    void write(int start, int[] pairs, int length) {
      from(start).asIntBuffer().put(pairs, 0, length / 2);
      if (length % 2 == 1) {
        data.putShort(2 * (start + length - 1), (short) pairs[length / 2]);
      }
    }
  }

  private static final class Floats extends FloatSink {
    private final float[] target;

    Floats(float[] target) {
      super(FloatType.F32);
      this.target = target;
    }

    @Override
    long capacity() {
      return target.length;
    }

    @Override
    void write(int start, float[] values, int length) {
      System.arraycopy(values, 0, target, start, length);
    }

    @Override
    void write(int start, long[] pairs, int length) {
      for (int i = 0; i < length; i++) {
        target[start + i] = Float.intBitsToFloat((int) (pairs[i >> 1] >>> 32 * (i & 1)));
      }
    }

    @Override
    void write(int start, int[] pairs, int length) {
      throw new IllegalStateException("a float[] takes float32 elements");
    }
  }
}
