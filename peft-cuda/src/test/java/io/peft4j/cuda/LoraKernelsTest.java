package io.peft4j.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.peft4j.quant.FloatType;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Low-rank products for mixed batches against plain loops, on the stand-in driver. */
@ExtendWith(Standin.class)
class LoraKernelsTest {
  private static final FloatType[] TYPES = {FloatType.F16, FloatType.BF16};

  @BeforeEach
  void fresh() {
    Standin.reset();
  }

  /** A batch whose rows draw their adapter, of those ranks, or none. */
  private static final class Batch {
    final int rows;
    final int inputs;
    final int outputs;
    final int[] ranks;
    final int[] adapterOfRow;
    final boolean uniform;
    final int stride;
    final List<float[]> a = new ArrayList<>();
    final List<float[]> b = new ArrayList<>();
    final AdapterTable table;
    final RowTiles tiles;

    Batch(Gpu gpu, FloatType type, int rows, int inputs, int outputs, int... ranks) {
      this.rows = rows;
      this.inputs = inputs;
      this.outputs = outputs;
      this.ranks = ranks;
      uniform = ranks.length == 1;
      adapterOfRow = new int[rows];
      for (int row = 0; row < rows && !uniform; row++) {
        boolean likeLast = row > 0 && gpu.integer(3) > 0;
        adapterOfRow[row] = likeLast ? adapterOfRow[row - 1] : gpu.integer(ranks.length + 1) - 1;
      }
      List<AdapterTable.Entry> entries = new ArrayList<>();
      for (int i = 0; i < ranks.length; i++) {
        a.add(gpu.normal(ranks[i] * inputs, 0.3, type));
        b.add(gpu.normal(outputs * ranks[i], 0.3, type));
        entries.add(
            new AdapterTable.Entry(
                gpu.upload(a.get(i), type).span(),
                gpu.upload(b.get(i), type).span(),
                ranks[i],
                scale(i)));
      }
      table = gpu.keep(new AdapterTable(gpu.context, entries));
      tiles = uniform ? null : gpu.keep(new RowTiles(gpu.context, adapterOfRow));
      stride = LowRankTail.strideFor(table.maxRank());
    }

    static float scale(int adapter) {
      return 0.5f + adapter;
    }

    int rank(int row) {
      return adapterOfRow[row] < 0 ? 0 : ranks[adapterOfRow[row]];
    }
  }

  @ParameterizedTest
  @CsvSource({
    "1, 64, 64, 8",
    "5, 40, 24, 3",
    "16, 512, 100, 16",
    "37, 300, 72, 33",
    "18, 1000, 130, 64",
    "21, 96, 50, 8 16 1 64",
    "40, 33, 31, 5 7 12",
    "3, 2048, 8, 4 40"
  })
  void allFourProducts(int rows, int inputs, int outputs, String rankList) {
    int[] ranks = Arrays.stream(rankList.split(" ")).mapToInt(Integer::parseInt).toArray();
    for (FloatType type : TYPES) {
      for (int order = 0; order < 3; order++) {
        Standin.set("order", order);
        try (Gpu gpu = new Gpu(rows + inputs)) {
          check(gpu, type, new Batch(gpu, type, rows, inputs, outputs, ranks));
          Tally.count("lora", type);
        }
      }
    }
  }

  private static void check(Gpu gpu, FloatType type, Batch batch) {
    LoraKernels kernels = new LoraKernels(gpu.context);
    int rows = batch.rows;
    float[] x = gpu.normal(rows * batch.inputs, 1, type);
    float[] dy = gpu.normal(rows * batch.outputs, 1, type);
    float[] y = gpu.normal(rows * batch.outputs, 1, type);
    float[] dx = gpu.normal(rows * batch.inputs, 1, type);
    DeviceMemory z = gpu.empty((long) rows * batch.stride, type);

    kernels.shrink(
        type,
        gpu.upload(x, type).span(),
        rows,
        batch.inputs,
        batch.table,
        batch.tiles,
        z.span(),
        batch.stride);
    float[] shrunk = Gpu.floats(z, type);
    checkShrink(type, batch, x, batch.inputs, shrunk, true);

    DeviceMemory out = gpu.upload(y, type);
    kernels.expand(
        type, z.span(), batch.stride, batch.table, batch.tiles, out.span(), rows, batch.outputs);
    checkExpand(type, batch, shrunk, y, batch.outputs, Gpu.floats(out, type), true);

    kernels.gradientShrink(
        type,
        gpu.upload(dy, type).span(),
        rows,
        batch.outputs,
        batch.table,
        batch.tiles,
        z.span(),
        batch.stride);
    shrunk = Gpu.floats(z, type);
    checkShrink(type, batch, dy, batch.outputs, shrunk, false);

    out = gpu.upload(dx, type);
    kernels.gradientExpand(
        type, z.span(), batch.stride, batch.table, batch.tiles, out.span(), rows, batch.inputs);
    checkExpand(type, batch, shrunk, dx, batch.inputs, Gpu.floats(out, type), false);
  }

  private static void checkShrink(
      FloatType type, Batch batch, float[] in, int width, float[] z, boolean forward) {
    for (int row = 0; row < batch.rows; row++) {
      int rank = batch.rank(row);
      for (int r = 0; r < batch.stride; r++) {
        double sum = 0;
        double size = 0;
        for (int i = 0; i < width && r < rank; i++) {
          int adapter = batch.adapterOfRow[row];
          float factor =
              forward ? batch.a.get(adapter)[r * width + i] : batch.b.get(adapter)[i * rank + r];
          double term = (double) in[row * width + i] * factor * Batch.scale(adapter);
          sum += term;
          size += Math.abs(term);
        }
        close(type, sum, size, z[row * batch.stride + r], row, r);
      }
    }
  }

  private static void checkExpand(
      FloatType type,
      Batch batch,
      float[] z,
      float[] before,
      int width,
      float[] out,
      boolean forward) {
    for (int row = 0; row < batch.rows; row++) {
      int rank = batch.rank(row);
      for (int i = 0; i < width; i++) {
        double sum = before[row * width + i];
        double size = Math.abs(sum);
        for (int r = 0; r < rank; r++) {
          int adapter = batch.adapterOfRow[row];
          float factor =
              forward ? batch.b.get(adapter)[i * rank + r] : batch.a.get(adapter)[r * width + i];
          double term = (double) z[row * batch.stride + r] * factor;
          sum += term;
          size += Math.abs(term);
        }
        close(type, sum, size, out[row * width + i], row, i);
      }
    }
  }

  private static void close(
      FloatType type, double expected, double size, float found, int row, int column) {
    double unit = type == FloatType.F16 ? 0x1p-11 : 0x1p-8;
    double allowed = 1.01 * unit * Math.abs(expected) + 2e-6 * size + 1e-7;
    assertTrue(
        Math.abs(expected - found) <= allowed,
        () ->
            String.format(
                Locale.ROOT,
                "%s [%d, %d]: expected %s, found %s",
                type,
                row,
                column,
                expected,
                found));
  }

  @Test
  void tilesHoldUpToSixteenRowsOfOneAdapter() {
    try (Gpu gpu = new Gpu(1)) {
      int[] rows = new int[40];
      rows[20] = 1;
      RowTiles tiles = gpu.keep(new RowTiles(gpu.context, rows));
      assertEquals(5, tiles.count()); // 16 + 4 of adapter 0, 1 of adapter 1, 16 + 3 of adapter 0
    }
  }

  @Test
  void rowsOfAnUnknownAdapterAreRefused() {
    try (Gpu gpu = new Gpu(1)) {
      Batch batch = new Batch(gpu, FloatType.F16, 2, 32, 32, 8);
      RowTiles tiles = gpu.keep(new RowTiles(gpu.context, new int[] {0, 1}));
      DeviceSpan x = gpu.empty(64, FloatType.F16).span();
      DeviceSpan z = gpu.empty(16, FloatType.F16).span();
      LoraKernels kernels = new LoraKernels(gpu.context);
      String message =
          assertThrows(
                  IllegalArgumentException.class,
                  () -> kernels.shrink(FloatType.F16, x, 2, 32, batch.table, tiles, z, 8))
              .getMessage();
      assertTrue(message.contains("adapters up to 1"), message);
    }
  }
}
