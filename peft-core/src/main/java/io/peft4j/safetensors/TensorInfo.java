package io.peft4j.safetensors;

import java.util.List;

/**
 * Where a tensor lies in its file.
 *
 * @param name the tensor's name, such as {@code encoder.layer.0.output.dense.weight}
 * @param dtype the type of its elements
 * @param shape its dimensions, row-major; empty for a scalar
 * @param offset the distance of its first byte from the start of the file, in bytes
 * @param length its size in bytes: the product of {@code shape} times the element size
 */
public record TensorInfo(String name, DType dtype, List<Long> shape, long offset, long length) {

  /** Copies {@code shape}. */
  public TensorInfo {
    shape = List.copyOf(shape);
  }

  /** The number of elements; 1 for a scalar. */
  public long elements() {
    return length * Byte.SIZE / dtype.bits();
  }

  /** A copy of the shape as an array. */
  public long[] dimensions() {
    return shape.stream().mapToLong(Long::longValue).toArray();
  }

  /**
   * The size in bytes of a tensor of this type and shape.
   *
   * @throws ArithmeticException if it does not fit 63 bits in bits, or is no whole number of bytes
   */
  static long lengthOf(DType dtype, List<Long> shape) {
    long elements = 1;
    for (long dimension : shape) {
      elements = Math.multiplyExact(elements, dimension);
    }
    long bits = Math.multiplyExact(elements, dtype.bits());
    if (bits % Byte.SIZE != 0) {
      throw new ArithmeticException("a size of " + bits + " bits");
    }
    return bits / Byte.SIZE;
  }
}
