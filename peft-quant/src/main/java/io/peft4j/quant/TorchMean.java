package io.peft4j.quant;

import java.util.Arrays;

/**
 * The mean of a float32 vector to the last bit as {@code torch.mean} has it on the CPU with one
 * thread.
 *
 * <p>Addition of floats depends on its order, and the offset of double quantization is a mean, so
 * equal bytes need torch's order: 8 lanes by 4 interleaved rows, each summed in a cascade of four
 * levels whose step grows with the length (ATen's {@code cascade_sum}). With several threads torch
 * splits vectors of 32,768 elements and more, one part a thread, and its last bit changes with the
 * number of threads; there is no order to be equal to then.
 */
final class TorchMean {
  private static final int LANES = 8;
  private static final int ROWS = 4;
  private static final int LEVELS = 4;

  private TorchMean() {}

  static float mean(float[] values) {
    return sum(values) / values.length;
  }

  private static float sum(float[] values) {
    int n = values.length;
    if (n < LANES) {
      return rowSum(values, 1, n)[0];
    }
    int vectors = n / LANES;
    float[] lanes = rowSum(values, LANES, vectors);
    float sum = 0;
    for (int i = vectors * LANES; i < n; i++) {
      sum += values[i];
    }
    for (float lane : lanes) {
      sum += lane;
    }
    return sum;
  }

  /** The sum of {@code size} vectors of {@code lanes} elements, lane by lane. */
  private static float[] rowSum(float[] values, int lanes, int size) {
    int width = ROWS * lanes;
    int steps = size / ROWS;
    float[] rows = cascade(values, width, steps);
    for (int i = steps * ROWS; i < size; i++) {
      for (int k = 0; k < lanes; k++) {
        rows[k] += values[i * lanes + k];
      }
    }
    float[] sum = new float[lanes];
    for (int k = 0; k < lanes; k++) {
      sum[k] = ((rows[k] + rows[lanes + k]) + rows[2 * lanes + k]) + rows[3 * lanes + k];
    }
    return sum;
  }

  /** The sum of {@code steps} rows of {@code width} elements, column by column. */
  private static float[] cascade(float[] values, int width, int steps) {
    int ceilLog2 = steps <= 1 ? 0 : Integer.SIZE - Integer.numberOfLeadingZeros(steps - 1);
    int power = Math.max(4, ceilLog2 / LEVELS);
    int stride = 1 << power;
    float[][] level = new float[LEVELS][width];
    int i = 0;
    while (i + stride <= steps) {
      for (int end = i + stride; i < end; i++) {
        add(level[0], values, i * width, width);
      }
      for (int j = 1; j < LEVELS; j++) {
        add(level[j], level[j - 1], 0, width);
        Arrays.fill(level[j - 1], 0);
        if ((i & (stride - 1) << j * power) != 0) {
          break;
        }
      }
    }
    for (; i < steps; i++) {
      add(level[0], values, i * width, width);
    }
    for (int j = 1; j < LEVELS; j++) {
      add(level[0], level[j], 0, width);
    }
    return level[0];
  }

  private static void add(float[] sum, float[] values, int from, int width) {
    for (int k = 0; k < width; k++) {
      sum[k] += values[from + k];
    }
  }
}
