package io.peft4j.cuda;

import static org.junit.jupiter.api.Assertions.assertTrue;

import io.peft4j.quant.FloatType;
import io.peft4j.quant.FourBitTensor;
import io.peft4j.quant.QuantType;
import java.util.Locale;

/** A projection with random operands, and its products in float64. */
final class Product {
  final FloatType type;
  final int rows;
  final int n;
  final int k;
  final int rank;
  final int stride;
  final FourBitTensor w;
  final float[] x;
  final float[] a;
  final float[] b;
  final float[] z;
  private final Gpu gpu;

  Product(Gpu gpu, FloatType type, int rows, int n, int k, int rank, int block, boolean nested) {
    this.gpu = gpu;
    this.type = type;
    this.rows = rows;
    this.n = n;
    this.k = k;
    this.rank = rank;
    stride = LowRankTail.strideFor(Math.max(1, rank));
    w = gpu.quantized(rank % 2 == 0 ? QuantType.NF4 : QuantType.FP4, block, nested, n, k);
    x = gpu.normal(rows * k, 1, type);
    a = gpu.normal(rank * k, 0.1, type);
    b = gpu.normal(n * rank, 0.1, type);
    z = gpu.normal(rows * stride, 1, type);
    for (int i = 0; i < z.length; i++) {
      z[i] = i % stride < rank ? z[i] : 0;
    }
  }

  LowRankTail tail(float[] left, float[] factor) {
    return rank == 0
        ? null
        : new LowRankTail(
            gpu.upload(left, type).span(), gpu.upload(factor, type).span(), rank, stride);
  }

  void checkForward(float[] y, float[] bias) {
    float[] weight = weight(rows > WeightKernels.MATVEC_ROWS && k % 32 == 0);
    for (int m = 0; m < rows; m++) {
      for (int o = 0; o < n; o++) {
        double sum = bias[o];
        double size = Math.abs(bias[o]);
        for (int i = 0; i < k; i++) {
          double term = (double) x[m * k + i] * weight[o * k + i];
          sum += term;
          size += Math.abs(term);
        }
        for (int r = 0; r < rank; r++) {
          double term = (double) z[m * stride + r] * b[o * rank + r];
          sum += term;
          size += Math.abs(term);
        }
        close(sum, size, y[m * n + o], m, o);
      }
    }
  }

  void checkBackward(float[] dx, float[] dy, float[] before) {
    float[] weight = weight(k % 32 == 0 && n % 8 == 0);
    for (int m = 0; m < rows; m++) {
      for (int i = 0; i < k; i++) {
        double sum = before == null ? 0 : before[m * k + i];
        double size = Math.abs(sum);
        for (int o = 0; o < n; o++) {
          double term = (double) dy[m * n + o] * weight[o * k + i];
          sum += term;
          size += Math.abs(term);
        }
        for (int r = 0; r < rank; r++) {
          double term = (double) z[m * stride + r] * a[r * k + i];
          sum += term;
          size += Math.abs(term);
        }
        close(sum, size, dx[m * k + i], m, i);
      }
    }
  }

  /** Tensor cores take weights in the operands' type. */
  private float[] weight(boolean tensorCores) {
    float[] exact = w.dequantize();
    return tensorCores ? Gpu.rounded(exact, type) : exact;
  }

  /** One rounding of the result, and float32's of the sum. */
  private void close(double expected, double size, float found, int row, int column) {
    double unit = type == FloatType.F32 ? 0x1p-24 : type == FloatType.F16 ? 0x1p-11 : 0x1p-8;
    double allowed = 1.01 * unit * Math.abs(expected) + 2e-6 * size + 1e-7;
    assertTrue(
        Math.abs(expected - found) <= allowed,
        () ->
            String.format(
                Locale.ROOT,
                "%s [%d, %d] of %d x %d x %d rank %d: expected %s, found %s, allowed %s",
                type,
                row,
                column,
                rows,
                n,
                k,
                rank,
                expected,
                found,
                allowed));
  }
}
