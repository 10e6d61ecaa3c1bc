package io.peft4j.cuda;

import static io.peft4j.cuda.FloatTypes.divideUp;
import static io.peft4j.cuda.FloatTypes.suffix;

import io.peft4j.quant.FloatType;

/**
 * 4-bit weights: coding, decoding, and products straight from the codes. Matrices are row-major; a
 * weight {@code W} is {@code [N, K]}. Calls return when the work is queued.
 *
 * <p>Which kernel runs depends on the shape: up to {@value #MATVEC_ROWS} rows a matrix-vector
 * kernel, beyond it, for 16-bit floats and fitting shapes, tensor cores; any other shape is
 * correct, but slow.
 */
public final class WeightKernels {
  static final int MATVEC_ROWS = 8;
  static final int SKINNY_ROWS = 64;
  private static final int TILE = 128;
  private static final int TENSOR_CORE_SHARED = 51_200;

  private final CudaContext context;

  /**
   * @param context stays the caller's
   */
  public WeightKernels(CudaContext context) {
    this.context = context;
  }

  /**
   * Quantizes {@code count} elements.
   *
   * @param x the elements
   * @param levels the type's
   * @param blockSize elements a block, a power of two from 32 to 4096
   * @param codes takes {@code ceil(count / 2)} bytes
   * @param absmax takes a float32 a block; NaN or infinite where an element of the block is
   */
  public void quantize(
      FloatType type,
      DeviceSpan x,
      long count,
      QuantizerTables levels,
      int blockSize,
      DeviceSpan codes,
      DeviceSpan absmax) {
    long blocks = divideUp(count, blockSize);
    x.require("x", count * type.bytes());
    codes.require("codes", divideUp(count, 2));
    absmax.require("absmax", 4 * blocks);
    Arguments arguments =
        new Arguments()
            .pointer(x)
            .number(count)
            .number(blockSize)
            .pointer(levels.midpoints())
            .pointer(levels.codeOfRank())
            .pointer(codes)
            .pointer(absmax);
    context
        .kernel("quantize", "quantize_" + suffix(type))
        .launch(divideUp(blocks, 8), 256, arguments);
  }

  /**
   * Restores all elements of a weight.
   *
   * @param out takes {@code w.count()} elements of {@code type}
   */
  public void dequantize(DeviceWeight w, FloatType type, DeviceSpan out) {
    out.require("the weight", w.count() * type.bytes());
    Arguments arguments = new Arguments().struct(w.argument()).pointer(out).number(w.count());
    long threads = divideUp(w.count(), 8 * 4);
    context
        .kernel("dequantize", "dequantize_" + suffix(type))
        .launch(Math.min(divideUp(threads, 256), 1 << 20), 256, arguments);
  }

  /**
   * {@code y = x Wᵀ + z Bᵀ + bias}.
   *
   * @param x {@code [rows, K]}
   * @param tail the low-rank part, or null
   * @param bias {@code [N]}, or null
   * @param y takes {@code [rows, N]}
   */
  public void multiply(
      FloatType type,
      DeviceSpan x,
      int rows,
      DeviceWeight w,
      LowRankTail tail,
      DeviceSpan bias,
      DeviceSpan y) {
    int n = w.outputs();
    int k = w.inputs();
    x.require("x", (long) rows * k * type.bytes());
    y.require("y", (long) rows * n * type.bytes());
    if (bias != null) {
      bias.require("bias", (long) n * type.bytes());
    }
    checkTail(tail, type, rows, n);
    Arguments arguments = new Arguments().pointer(x).struct(w.argument()).pointer(y);
    boolean vectors = k % 32 == 0 && x.aligned16();
    if (!vectors) {
      addTail(arguments.number(n).number(k), tail).pointer(bias);
      context
          .kernel("matvec_" + suffix(type), "matvec_any_" + suffix(type))
          .launch(divideUp(n, 4), rows, 128, 0, arguments);
      return;
    }
    addTail(arguments.number(rows).number(n).number(k), tail).pointer(bias);
    if (rows <= MATVEC_ROWS || type == FloatType.F32) {
      int atOnce = rows == 1 ? 1 : rows <= 4 ? 4 : MATVEC_ROWS;
      context
          .kernel("matvec_" + suffix(type), "matvec" + atOnce + "_" + suffix(type))
          .launch(divideUp(n, 8), divideUp(rows, atOnce), 128, 0, arguments);
    } else if (rows <= SKINNY_ROWS || !tailAligned(tail)) {
      int atOnce = rows <= 16 ? 16 : rows <= 32 ? 32 : SKINNY_ROWS;
      context
          .kernel("skinny", "skinny" + atOnce + "_" + suffix(type))
          .launch(divideUp(n, 32), divideUp(rows, atOnce), 256, 0, arguments);
    } else {
      context
          .kernel("matmul", "matmul_" + suffix(type))
          .launch(divideUp(rows, TILE), divideUp(n, TILE), 256, TENSOR_CORE_SHARED, arguments);
    }
  }

  /**
   * The input's gradient: {@code dx = dy W + z A}.
   *
   * @param dy {@code [rows, N]}
   * @param tail the low-rank part, or null
   * @param accumulate whether to add to {@code dx} instead of overwriting it
   * @param dx takes {@code [rows, K]}
   */
  public void inputGradient(
      FloatType type,
      DeviceSpan dy,
      int rows,
      DeviceWeight w,
      LowRankTail tail,
      boolean accumulate,
      DeviceSpan dx) {
    int n = w.outputs();
    int k = w.inputs();
    dy.require("dy", (long) rows * n * type.bytes());
    dx.require("dx", (long) rows * k * type.bytes());
    checkTail(tail, type, rows, k);
    Arguments arguments = new Arguments().pointer(dy).struct(w.argument()).pointer(dx);
    addTail(arguments.number(rows).number(n).number(k), tail).number(accumulate ? 1 : 0);
    boolean tensorCores =
        type != FloatType.F32 && k % 32 == 0 && n % 8 == 0 && dy.aligned16() && tailAligned(tail);
    if (tensorCores) {
      context
          .kernel("matmul", "gradient_" + suffix(type))
          .launch(divideUp(rows, TILE), divideUp(k, TILE), 256, TENSOR_CORE_SHARED, arguments);
    } else {
      context
          .kernel("matvec_" + suffix(type), "gradient_any_" + suffix(type))
          .launch(divideUp(k, 128), divideUp(rows, 4), 128, 0, arguments);
    }
  }

  private static Arguments addTail(Arguments arguments, LowRankTail tail) {
    return tail == null
        ? arguments.pointer(null).pointer(null).number(0).number(0)
        : arguments
            .pointer(tail.z())
            .pointer(tail.factor())
            .number(tail.rank())
            .number(tail.stride());
  }

  private static boolean tailAligned(LowRankTail tail) {
    return tail == null || tail.z().aligned16();
  }

  private static void checkTail(LowRankTail tail, FloatType type, int rows, int columns) {
    if (tail != null) {
      tail.z().require("z", (long) rows * tail.stride() * type.bytes());
      tail.factor().require("the low-rank factor", (long) columns * tail.rank() * type.bytes());
    }
  }
}
