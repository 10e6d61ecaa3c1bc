package io.peft4j.quant.kernel;

import io.peft4j.quant.FloatType;

/**
 * A packed matrix {@code W} {@code [out, in]} where its kernels want it. Its memory lives until
 * {@link #close()}. Operands of another size than stated, or in the other kind of memory, throw
 * {@link io.peft4j.quant.QuantizationException}.
 */
public interface PackedWeight extends AutoCloseable {

  /** Rows of the matrix: the projection's outputs. */
  int outputs();

  /** Columns of the matrix: the projection's inputs. */
  int inputs();

  /** Bytes that this holds. */
  long bytes();

  /**
   * Writes {@code W}.
   *
   * @param target {@code [out, in]} elements
   * @param type the elements' type
   */
  void dequantize(Memory target, FloatType type);

  /**
   * The forward product {@code y = x Wᵀ}.
   *
   * @param x {@code [rows, in]}
   * @param y {@code [rows, out]}, overwritten
   * @param type the type of both; sums are in float32
   */
  void multiply(Memory x, Memory y, int rows, FloatType type);

  /**
   * The input's gradient {@code gx = gy W}.
   *
   * @param gy {@code [rows, out]}
   * @param gx {@code [rows, in]}, overwritten
   * @param type the type of both; sums are in float32
   */
  void multiplyTransposed(Memory gy, Memory gx, int rows, FloatType type);

  @Override
  void close();
}
