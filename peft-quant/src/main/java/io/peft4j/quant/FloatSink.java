package io.peft4j.quant;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.ShortBuffer;

/** Where dequantized elements go, in runs. */
interface FloatSink {
  FloatType type();

  /** How many elements fit. */
  long capacity();

  /** Writes a run of float32 elements. Only for {@link FloatType#F32}. */
  void write(int start, float[] values, int length);

  /** Writes a run of 16-bit elements. Only for the 16-bit types. */
  void write(int start, short[] values, int length);

  /** The room between the buffer's position and limit, little-endian, neither of which moves. */
  static FloatSink of(ByteBuffer buffer, FloatType type) {
    ByteBuffer data = buffer.slice().order(ByteOrder.LITTLE_ENDIAN);
    FloatBuffer floats = data.asFloatBuffer();
    ShortBuffer shorts = data.asShortBuffer();
    return new FloatSink() {
      @Override
      public FloatType type() {
        return type;
      }

      @Override
      public long capacity() {
        return data.remaining() / type.bytes();
      }

      @Override
      public void write(int start, float[] values, int length) {
        floats.put(start, values, 0, length);
      }

      @Override
      public void write(int start, short[] values, int length) {
        shorts.put(start, values, 0, length);
      }
    };
  }

  static FloatSink of(float[] target) {
    return new FloatSink() {
      @Override
      public FloatType type() {
        return FloatType.F32;
      }

      @Override
      public long capacity() {
        return target.length;
      }

      @Override
      public void write(int start, float[] values, int length) {
        System.arraycopy(values, 0, target, start, length);
      }

      @Override
      public void write(int start, short[] values, int length) {
        throw new IllegalStateException("a float[] takes float32 elements");
      }
    };
  }
}
