package io.peft4j.quant.kernel;

import io.peft4j.quant.FloatType;
import io.peft4j.quant.QuantizationException;
import io.peft4j.quant.QuantizedTensor;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.Locale;
import java.util.stream.IntStream;

/** A weight used where it lies, a few rows dense at a time. */
final class JavaPackedWeight implements PackedWeight {
  /** Weights dense at a time and thread. */
  private static final int TILE_ELEMENTS = 1 << 16;

  private final QuantizedTensor weight;
  private final int outputs;
  private final int inputs;

  JavaPackedWeight(QuantizedTensor weight) {
    long[] shape = weight.shape();
    if (shape.length != 2) {
      throw new QuantizationException(
          "a projection's weight is a matrix, found shape " + Arrays.toString(shape));
    }
    this.weight = weight;
    this.outputs = (int) shape[0];
    this.inputs = (int) shape[1];
  }

  @Override
  public int outputs() {
    return outputs;
  }

  @Override
  public int inputs() {
    return inputs;
  }

  @Override
  public long bytes() {
    return weight.storedBytes();
  }

  @Override
  public void dequantize(Memory target, FloatType type) {
    weight.dequantize(host("W", target, weight.count(), type), type);
  }

  @Override
  public void multiply(Memory x, Memory y, int rows, FloatType type) {
    float[] in = type.toFloats(host("x", x, (long) rows * inputs, type));
    ByteBuffer out = host("y", y, (long) rows * outputs, type);
    float[] product = new float[rows * outputs];
    forEachTile(
        (from, to, tile) -> {
          for (int o = from; o < to; o++) {
            for (int r = 0; r < rows; r++) {
              product[r * outputs + o] = dot(in, r * inputs, tile, (o - from) * inputs, inputs);
            }
          }
        });
    type.fromFloats(product, out);
  }

  @Override
  public void multiplyTransposed(Memory gy, Memory gx, int rows, FloatType type) {
    float[] gradient = type.toFloats(host("gy", gy, (long) rows * outputs, type));
    ByteBuffer out = host("gx", gx, (long) rows * inputs, type);
    float[] product = new float[rows * inputs];
    forEachTile(
        (from, to, tile) -> {
          float[] partial = new float[rows * inputs];
          for (int o = from; o < to; o++) {
            for (int r = 0; r < rows; r++) {
              addScaled(
                  gradient[r * outputs + o],
                  tile,
                  (o - from) * inputs,
                  partial,
                  r * inputs,
                  inputs);
            }
          }
          synchronized (product) {
            addScaled(1, partial, 0, product, 0, partial.length);
          }
        });
    type.fromFloats(product, out);
  }

  @Override
  public void close() {
    // the tensor is its maker's
  }

  /** Work on the dense rows {@code [from, to)}. */
  @FunctionalInterface
  private interface Tile {
    void run(int from, int to, float[] rows);
  }

  private void forEachTile(Tile work) {
    int rowsAtOnce = Math.max(1, TILE_ELEMENTS / inputs);
    IntStream.range(0, (outputs + rowsAtOnce - 1) / rowsAtOnce)
        .parallel()
        .forEach(
            tile -> {
              int from = tile * rowsAtOnce;
              int to = Math.min(outputs, from + rowsAtOnce);
              work.run(from, to, weight.dequantizeRows(from, to));
            });
  }

  private static float dot(float[] a, int aFrom, float[] b, int bFrom, int length) {
    float s0 = 0;
    float s1 = 0;
    float s2 = 0;
    float s3 = 0;
    int i = 0;
    for (; i + 3 < length; i += 4) {
      s0 += a[aFrom + i] * b[bFrom + i];
      s1 += a[aFrom + i + 1] * b[bFrom + i + 1];
      s2 += a[aFrom + i + 2] * b[bFrom + i + 2];
      s3 += a[aFrom + i + 3] * b[bFrom + i + 3];
    }
    for (; i < length; i++) {
      s0 += a[aFrom + i] * b[bFrom + i];
    }
    return s0 + s1 + (s2 + s3);
  }

  private static void addScaled(
      float factor, float[] a, int aFrom, float[] sum, int sumFrom, int length) {
    for (int i = 0; i < length; i++) {
      sum[sumFrom + i] += factor * a[aFrom + i];
    }
  }

  private static ByteBuffer host(String name, Memory memory, long elements, FloatType type) {
    if (!(memory instanceof Memory.Host operand)) {
      throw new QuantizationException(
          String.format(
              Locale.ROOT, "%s lies on a device; the kernels of pure Java want host memory", name));
    }
    if (operand.bytes().remaining() != elements * type.bytes()) {
      throw new QuantizationException(
          String.format(
              Locale.ROOT,
              "%s takes %d bytes of %s, found %d",
              name,
              elements * type.bytes(),
              type.torchName(),
              operand.bytes().remaining()));
    }
    return operand.bytes();
  }
}
