package io.peft4j.cuda;

import static io.peft4j.cuda.FloatTypes.divideUp;
import static io.peft4j.cuda.FloatTypes.suffix;

import io.peft4j.quant.FloatType;
import java.util.Locale;

/**
 * Low-rank products for batches whose rows use different adapters, of any ranks, in float16 or
 * bfloat16. In the spirit of Punica (Chen et al., 2023) and S-LoRA (Sheng et al., 2023). {@code K}
 * and {@code N} are the projection's inputs and outputs.
 */
public final class LoraKernels {
  private static final int RANKS_A_BLOCK = 32;
  private static final int COLUMNS_A_BLOCK = 64;

  private final CudaContext context;

  /**
   * @param context stays the caller's
   */
  public LoraKernels(CudaContext context) {
    this.context = context;
  }

  /**
   * {@code z = scale x Aᵀ}, zero beyond each row's rank, and for rows without an adapter.
   *
   * @param x {@code [rows, K]}
   * @param tiles each row's adapter, or null for the table's first everywhere
   * @param z takes {@code [rows, stride]}
   * @param stride a multiple of eight, at least the greatest rank
   */
  public void shrink(
      FloatType type,
      DeviceSpan x,
      int rows,
      int inputs,
      AdapterTable adapters,
      RowTiles tiles,
      DeviceSpan z,
      int stride) {
    run("lora_shrink_", type, x, adapters, tiles, z, rows, inputs, stride, true);
  }

  /**
   * {@code y += z Bᵀ}.
   *
   * @param z {@code [rows, stride]}, from {@link #shrink}
   * @param y {@code [rows, N]}
   */
  public void expand(
      FloatType type,
      DeviceSpan z,
      int stride,
      AdapterTable adapters,
      RowTiles tiles,
      DeviceSpan y,
      int rows,
      int outputs) {
    run("lora_expand_", type, z, adapters, tiles, y, rows, outputs, stride, false);
  }

  /**
   * {@code z = scale dy B}: the first half of the way back.
   *
   * @param dy {@code [rows, N]}
   * @param z takes {@code [rows, stride]}
   */
  public void gradientShrink(
      FloatType type,
      DeviceSpan dy,
      int rows,
      int outputs,
      AdapterTable adapters,
      RowTiles tiles,
      DeviceSpan z,
      int stride) {
    run("lora_gradient_shrink_", type, dy, adapters, tiles, z, rows, outputs, stride, true);
  }

  /**
   * {@code dx += z A}: the second half of the way back.
   *
   * @param z {@code [rows, stride]}, from {@link #gradientShrink}
   * @param dx {@code [rows, K]}
   */
  public void gradientExpand(
      FloatType type,
      DeviceSpan z,
      int stride,
      AdapterTable adapters,
      RowTiles tiles,
      DeviceSpan dx,
      int rows,
      int inputs) {
    run("lora_gradient_expand_", type, z, adapters, tiles, dx, rows, inputs, stride, false);
  }

  private void run(
      String kernel,
      FloatType type,
      DeviceSpan in,
      AdapterTable adapters,
      RowTiles tiles,
      DeviceSpan out,
      int rows,
      int width,
      int stride,
      boolean shrinks) {
    check(type, adapters, tiles, rows, stride);
    long wide = (long) rows * width * type.bytes();
    long narrow = (long) rows * stride * type.bytes();
    in.require("the input", shrinks ? wide : narrow);
    out.require("the output", shrinks ? narrow : wide);
    Arguments arguments =
        new Arguments()
            .pointer(in)
            .pointer(adapters.span())
            .pointer(tiles == null ? null : tiles.span())
            .pointer(out)
            .number(rows)
            .number(width)
            .number(stride);
    long x = tiles == null ? divideUp(rows, RowTiles.MOST_ROWS) : tiles.count();
    long y = shrinks ? divideUp(stride, RANKS_A_BLOCK) : divideUp(width, COLUMNS_A_BLOCK);
    context.kernel("lora", kernel + suffix(type)).launch(x, y, 256, 0, arguments);
  }

  private static void check(
      FloatType type, AdapterTable adapters, RowTiles tiles, int rows, int stride) {
    if (type == FloatType.F32) {
      throw new IllegalArgumentException("low-rank kernels take float16 or bfloat16, not float32");
    }
    if (stride % 8 != 0 || stride < adapters.maxRank()) {
      throw new IllegalArgumentException(
          String.format(
              Locale.ROOT,
              "expected a stride that is a multiple of 8 and at least %d, found %d",
              adapters.maxRank(),
              stride));
    }
    if (tiles != null && (tiles.rows() != rows || tiles.largestAdapter() >= adapters.size())) {
      throw new IllegalArgumentException(
          String.format(
              Locale.ROOT,
              "the tiles are of %d rows with adapters up to %d, found %d rows and %d adapters",
              tiles.rows(),
              tiles.largestAdapter(),
              rows,
              adapters.size()));
    }
  }
}
