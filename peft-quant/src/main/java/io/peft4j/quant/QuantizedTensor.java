package io.peft4j.quant;

import java.nio.ByteBuffer;

/** A weight in few bits, in host memory. Immutable, apart from buffers that its maker may share. */
public sealed interface QuantizedTensor permits FourBitTensor, Int8Tensor {

  /** How it is stored. */
  QuantType type();

  /** The weight's shape before quantization. */
  long[] shape();

  /** The weight's type before quantization. */
  FloatType sourceType();

  /** How many weights there are. */
  int count();

  /** Bytes that codes, scales and code books take. */
  long storedBytes();

  /**
   * The packed codes, little-endian and read-only: of a 4-bit type {@code ceil(count / 2)} bytes,
   * the even element in the high half; of int8 one signed byte an element.
   */
  ByteBuffer codes();

  /** How a weight is quantized to be like this one. */
  QuantizationConfig config();

  /**
   * This with its codes in other memory.
   *
   * @param codes a copy of {@link #codes()}; shared, not copied
   */
  QuantizedTensor withCodes(ByteBuffer codes);

  /** This, said to be made of a weight of that type, the one that bitsandbytes decodes it to. */
  QuantizedTensor withSourceType(FloatType type);

  /**
   * Restores the weight in float32.
   *
   * @return {@link #count()} elements in row-major order
   */
  default float[] dequantize() {
    float[] values = new float[count()];
    Dequantizer.dequantize(this, FloatSink.of(values));
    return values;
  }

  /**
   * Restores the weight.
   *
   * @param target takes {@link #count()} elements, little-endian, from its position on, which does
   *     not move
   * @param type the elements' type; values are computed in float32 and rounded once
   * @throws QuantizationException if the room is too small
   */
  default void dequantize(ByteBuffer target, FloatType type) {
    Dequantizer.dequantize(this, FloatSink.of(target, type));
  }

  /**
   * Restores some rows of a matrix in float32.
   *
   * @param from the first row
   * @param to the row after the last
   * @return {@code [to - from, columns]} elements
   * @throws QuantizationException if this is no matrix or has not these rows
   */
  default float[] dequantizeRows(int from, int to) {
    return Dequantizer.rows(this, from, to);
  }
}
