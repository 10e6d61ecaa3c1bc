package io.peft4j.quant.checkpoint;

import io.peft4j.quant.FloatType;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.IntBuffer;
import java.nio.ShortBuffer;

/** Transposes matrices of raw elements. */
final class Transpose {
  private Transpose() {}

  /** The transpose of {@code [rows, columns]} elements in a new heap buffer. */
  static ByteBuffer of(ByteBuffer elements, FloatType type, int rows, int columns) {
    ByteBuffer from = elements.slice().order(ByteOrder.LITTLE_ENDIAN);
    ByteBuffer to = ByteBuffer.allocate(from.remaining()).order(ByteOrder.LITTLE_ENDIAN);
    if (type.bytes() == Integer.BYTES) {
      IntBuffer source = from.asIntBuffer();
      IntBuffer target = to.asIntBuffer();
      for (int r = 0; r < rows; r++) {
        for (int c = 0; c < columns; c++) {
          target.put(c * rows + r, source.get(r * columns + c));
        }
      }
    } else {
      ShortBuffer source = from.asShortBuffer();
      ShortBuffer target = to.asShortBuffer();
      for (int r = 0; r < rows; r++) {
        for (int c = 0; c < columns; c++) {
          target.put(c * rows + r, source.get(r * columns + c));
        }
      }
    }
    return to;
  }
}
