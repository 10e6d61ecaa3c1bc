package io.peft4j.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import io.peft4j.quant.BlockScales;
import io.peft4j.quant.FloatType;
import io.peft4j.quant.FourBitTensor;
import io.peft4j.quant.QuantType;
import io.peft4j.quant.QuantizationConfig;
import io.peft4j.quant.Quantizer;
import java.util.Locale;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Every kernel on 4-bit weights against peft-quant's Java, on the stand-in driver. */
@ExtendWith(Standin.class)
class WeightKernelsTest {
  private static final int[] COUNTS = {1, 2, 7, 63, 64, 65, 130, 4096, 8193};

  @BeforeEach
  void fresh() {
    Standin.reset();
  }

  @ParameterizedTest
  @EnumSource(
      value = QuantType.class,
      names = {"NF4", "FP4"})
  void quantizeIsTheReferencesToTheLastBit(QuantType quant) {
    for (FloatType type : FloatType.values()) {
      for (int blockSize : new int[] {32, 64, 256, 4096}) {
        for (int count : COUNTS) {
          try (Gpu gpu = new Gpu(count)) {
            float[] x = gpu.normal(count, 1, type);
            if (count > 64) { // a block of zeros
              java.util.Arrays.fill(x, 0, 64, 0);
            }
            QuantizerTables tables = gpu.keep(new QuantizerTables(gpu.context, quant));
            DeviceMemory codes = gpu.bytes((count + 1) / 2);
            DeviceMemory absmax = gpu.empty((count + blockSize - 1) / blockSize, FloatType.F32);
            new WeightKernels(gpu.context)
                .quantize(
                    type,
                    gpu.upload(x, type).span(),
                    count,
                    tables,
                    blockSize,
                    codes.span(),
                    absmax.span());
            FourBitTensor expected =
                (FourBitTensor)
                    new Quantizer(QuantizationConfig.of(quant).withBlockSize(blockSize))
                        .quantize(x, count);
            byte[] expectedCodes = new byte[(count + 1) / 2];
            expected.codes().get(expectedCodes);
            String which =
                String.format(
                    Locale.ROOT, "%s %s block %d count %d", quant, type, blockSize, count);
            assertArrayEquals(expectedCodes, Gpu.raw(codes), which);
            assertArrayEquals(
                ((BlockScales.Plain) expected.scales()).absmax(),
                Gpu.floats(absmax, FloatType.F32),
                which);
            Tally.count("quantize", type);
          }
        }
      }
    }
  }

  @ParameterizedTest
  @EnumSource(
      value = QuantType.class,
      names = {"NF4", "FP4"})
  void dequantizeIsTheReferencesToTheLastBit(QuantType quant) {
    for (FloatType type : FloatType.values()) {
      for (boolean nested : new boolean[] {false, true}) {
        for (int blockSize : new int[] {32, 64, 1024}) {
          for (int count : COUNTS) {
            try (Gpu gpu = new Gpu(count)) {
              FourBitTensor tensor = gpu.quantized(quant, blockSize, nested, count);
              DeviceMemory out = gpu.empty(count, type);
              new WeightKernels(gpu.context).dequantize(gpu.place(tensor), type, out.span());
              assertArrayEquals(
                  Gpu.rounded(tensor.dequantize(), type),
                  Gpu.floats(out, type),
                  String.format(
                      Locale.ROOT,
                      "%s %s nested %s block %d count %d",
                      quant,
                      type,
                      nested,
                      blockSize,
                      count));
              Tally.count("dequantize", type);
            }
          }
        }
      }
    }
  }

  /** rows, N, K, rank, block size, and whether scales are nested. */
  static Stream<Arguments> products() {
    return Stream.of(
        Arguments.of(1, 64, 64, 0, 64, false),
        Arguments.of(1, 33, 96, 8, 32, true),
        Arguments.of(3, 130, 1088, 4, 64, true),
        Arguments.of(4, 9, 2048, 0, 128, false),
        Arguments.of(8, 24, 160, 16, 32, false),
        Arguments.of(7, 17, 64, 3, 64, true),
        Arguments.of(5, 13, 50, 2, 64, false), // K no multiple of 32
        Arguments.of(2, 7, 33, 0, 32, true), // odd rows of codes
        Arguments.of(9, 16, 64, 0, 64, false),
        Arguments.of(16, 128, 128, 8, 64, true),
        Arguments.of(33, 72, 160, 5, 32, true),
        Arguments.of(63, 35, 288, 24, 64, true),
        Arguments.of(65, 16, 64, 0, 64, false), // rows for the big tiles from here on
        Arguments.of(80, 136, 160, 13, 32, true),
        Arguments.of(129, 136, 96, 70, 64, false), // two tiles each way, a deep tail
        Arguments.of(130, 37, 192, 16, 256, true), // N no multiple of 8
        Arguments.of(20, 200, 352, 64, 4096, false));
  }

  @ParameterizedTest
  @MethodSource("products")
  void forward(int rows, int n, int k, int rank, int block, boolean nested) {
    for (FloatType type : FloatType.values()) {
      for (int order : ordersOf(type)) {
        Standin.set("order", order);
        try (Gpu gpu = new Gpu(rows + n)) {
          Product p = new Product(gpu, type, rows, n, k, rank, block, nested);
          float[] bias = gpu.normal(n, 1, type);
          DeviceMemory y = gpu.empty((long) rows * n, type);
          new WeightKernels(gpu.context)
              .multiply(
                  type,
                  gpu.upload(p.x, type).span(),
                  rows,
                  gpu.place(p.w),
                  p.tail(p.z, p.b),
                  gpu.upload(bias, type).span(),
                  y.span());
          p.checkForward(Gpu.floats(y, type), bias);
          Tally.count("multiply", type);
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("products")
  void backward(int rows, int n, int k, int rank, int block, boolean nested) {
    for (FloatType type : FloatType.values()) {
      for (boolean accumulate : new boolean[] {false, true}) {
        Standin.set("order", accumulate ? 2 : 1);
        try (Gpu gpu = new Gpu(rows + n)) {
          Product p = new Product(gpu, type, rows, n, k, rank, block, nested);
          float[] dy = gpu.normal(rows * n, 1, type);
          float[] before = gpu.normal(rows * k, 1, type);
          DeviceMemory dx = gpu.upload(before, type);
          new WeightKernels(gpu.context)
              .inputGradient(
                  type,
                  gpu.upload(dy, type).span(),
                  rows,
                  gpu.place(p.w),
                  p.tail(p.z, p.a),
                  accumulate,
                  dx.span());
          p.checkBackward(Gpu.floats(dx, type), dy, accumulate ? before : null);
          Tally.count("inputGradient", type);
        }
      }
    }
  }

  /** The 16-bit types share a source, so between them they see all three orders of threads. */
  private static int[] ordersOf(FloatType type) {
    return switch (type) {
      case F32 -> new int[] {0, 1};
      case F16 -> new int[] {2};
      case BF16 -> new int[] {0, 1};
    };
  }

  @ParameterizedTest
  @CsvSource({"1, 64, 64, 0, 64, false", "30, 72, 160, 5, 32, true", "80, 24, 96, 8, 64, true"})
  void onTuring(int rows, int n, int k, int rank, int block, boolean nested) {
    Standin.set("capability", 75);
    try (Gpu gpu = new Gpu(rows + n)) {
      Product p = new Product(gpu, FloatType.F16, rows, n, k, rank, block, nested);
      float[] bias = new float[n];
      DeviceMemory y = gpu.empty((long) rows * n, FloatType.F16);
      new WeightKernels(gpu.context)
          .multiply(
              FloatType.F16,
              gpu.upload(p.x, FloatType.F16).span(),
              rows,
              gpu.place(p.w),
              p.tail(p.z, p.b),
              null,
              y.span());
      p.checkForward(Gpu.floats(y, FloatType.F16), bias);
    }
  }
}
