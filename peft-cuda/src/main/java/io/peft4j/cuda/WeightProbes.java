package io.peft4j.cuda;

import io.peft4j.quant.BlockScales;
import io.peft4j.quant.FloatType;
import io.peft4j.quant.FourBitTensor;
import io.peft4j.quant.QuantType;
import io.peft4j.quant.QuantizationConfig;
import io.peft4j.quant.Quantizer;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.Consumer;
import java.util.function.Supplier;

/** Probes of everything that touches a 4-bit weight, against peft-quant's Java. */
final class WeightProbes {
  private static final int BLOCK = 64;
  private static final int RANK = 16;
  private static final float SCALE = 0.5f;

  private final Workbench bench;
  private final FloatType type;
  private final int n;
  private final int k;
  private final FourBitTensor tensor;
  private final DeviceWeight weight;
  private final WeightKernels kernels;

  /**
   * @param type of the activations
   * @param n the weight's rows
   * @param k its columns
   */
  WeightProbes(Workbench bench, FloatType type, int n, int k) {
    this.bench = bench;
    this.type = type;
    this.n = n;
    this.k = k;
    QuantizationConfig config = QuantizationConfig.of(QuantType.NF4).withDoubleQuant(true);
    tensor =
        (FourBitTensor)
            new Quantizer(config).quantize(bench.draw(n * k, 0.02, FloatType.F32), n, k);
    weight = bench.keep(DeviceWeight.copyOf(bench.context, tensor));
    kernels = new WeightKernels(bench.context);
  }

  /** Without products. */
  List<Probe> codec() {
    List<Probe> probes = new ArrayList<>();
    for (FloatType to : FloatType.values()) {
      DeviceMemory out = bench.allocate(tensor.count() * (long) to.bytes());
      probes.add(
          new Probe(
              String.format(Locale.ROOT, "dequantize nf4 to %s %dx%d", to.torchName(), n, k),
              0,
              weight.bytes() + out.span().bytes(),
              0,
              () -> kernels.dequantize(weight, to, out.span()),
              () ->
                  new float[][] {
                    Workbench.rounded(tensor.dequantize(), to), to.toFloats(out.download())
                  }));
    }
    probes.add(quantize());
    return probes;
  }

  private Probe quantize() {
    int count = n * k;
    float[] x = bench.draw(count, 1, type);
    DeviceMemory in = bench.upload(x, type);
    DeviceMemory codes = bench.allocate(count / 2);
    DeviceMemory absmax = bench.allocate(4L * ((count + BLOCK - 1) / BLOCK));
    QuantizerTables tables = bench.keep(new QuantizerTables(bench.context, QuantType.NF4));
    return new Probe(
        String.format(Locale.ROOT, "quantize %s to nf4 %dx%d", type.torchName(), n, k),
        0,
        in.span().bytes() + codes.span().bytes() + absmax.span().bytes(),
        0,
        () -> kernels.quantize(type, in.span(), count, tables, BLOCK, codes.span(), absmax.span()),
        () -> {
          FourBitTensor expected =
              (FourBitTensor) new Quantizer(QuantizationConfig.of(QuantType.NF4)).quantize(x, n, k);
          FourBitTensor found =
              new FourBitTensor(
                  QuantType.NF4,
                  BLOCK,
                  type,
                  new long[] {n, k},
                  codes.download(),
                  new BlockScales.Plain(FloatType.F32.toFloats(absmax.download())));
          return new float[][] {expected.dequantize(), found.dequantize()};
        });
  }

  /** {@code y = x Wᵀ + z Bᵀ}, bound by memory for few rows and by arithmetic for many. */
  Probe multiply(int rows) {
    float[] b = bench.draw(n * RANK, 0.1, type);
    return product(
        "multiply",
        rows,
        k,
        n,
        b,
        b,
        tensor::dequantize,
        (x, tail, y) -> kernels.multiply(type, x, rows, weight, tail, null, y));
  }

  /** {@code dx = dy W + z A}. */
  Probe inputGradient(int rows) {
    float[] a = bench.draw(RANK * k, 0.1, type);
    return product(
        "input gradient",
        rows,
        n,
        k,
        a,
        transposed(a, RANK, k),
        () -> transposed(tensor.dequantize(), n, k),
        (dy, tail, dx) -> kernels.inputGradient(type, dy, rows, weight, tail, false, dx));
  }

  private interface Product {
    void run(DeviceSpan x, LowRankTail tail, DeviceSpan y);
  }

  /**
   * {@code y = x Mᵀ + z Fᵀ}, x {@code [rows, from]} and y {@code [rows, to]}.
   *
   * @param factor what the kernel takes for F
   * @param f F itself {@code [to, rank]}
   * @param matrix M {@code [to, from]}
   */
  private Probe product(
      String name,
      int rows,
      int from,
      int to,
      float[] factor,
      float[] f,
      Supplier<float[]> matrix,
      Product kernel) {
    float[] x = bench.draw(rows * from, 1, type);
    float[] z = bench.draw(rows * RANK, 1, type);
    DeviceMemory in = bench.upload(x, type);
    DeviceMemory out = bench.allocate((long) rows * to * type.bytes());
    LowRankTail tail =
        new LowRankTail(
            bench.upload(z, type).span(), bench.upload(factor, type).span(), RANK, RANK);
    return new Probe(
        String.format(
            Locale.ROOT, "%s %s %d rows, %dx%d, rank %d", name, type.torchName(), rows, n, k, RANK),
        tolerance(),
        weight.bytes() + in.span().bytes() + out.span().bytes(),
        2.0 * rows * to * (from + RANK),
        () -> kernel.run(in.span(), tail, out.span()),
        () -> {
          float[] m = matrix.get();
          float[] y = new float[rows * to];
          for (int i = 0; i < y.length; i++) {
            int row = i / to;
            int o = i % to;
            double sum =
                dot(x, row * from, m, o * from, from) + dot(z, row * RANK, f, o * RANK, RANK);
            y[i] = (float) sum;
          }
          return new float[][] {y, type.toFloats(out.download())};
        });
  }

  /** The four low-rank products, each after the one it takes its input from. */
  List<Probe> lowRank(int rows) {
    float[] a = bench.draw(RANK * k, 0.1, type);
    float[] b = bench.draw(n * RANK, 0.1, type);
    AdapterTable.Entry entry =
        new AdapterTable.Entry(
            bench.upload(a, type).span(), bench.upload(b, type).span(), RANK, SCALE);
    AdapterTable table = bench.keep(new AdapterTable(bench.context, List.of(entry)));
    LoraKernels lora = new LoraKernels(bench.context);
    float[] ofA = transposed(a, RANK, k);
    float[] ofB = transposed(b, n, RANK);
    DeviceMemory z = bench.allocate((long) rows * RANK * type.bytes());
    DeviceMemory back = bench.allocate((long) rows * RANK * type.bytes());
    return List.of(
        shrink(
            "lora shrink",
            rows,
            k,
            a,
            z,
            x -> lora.shrink(type, x.span(), rows, k, table, null, z.span(), RANK)),
        expand(
            "lora expand",
            rows,
            n,
            b,
            z,
            y -> lora.expand(type, z.span(), RANK, table, null, y.span(), rows, n)),
        shrink(
            "lora gradient shrink",
            rows,
            n,
            ofB,
            back,
            dy -> lora.gradientShrink(type, dy.span(), rows, n, table, null, back.span(), RANK)),
        expand(
            "lora gradient expand",
            rows,
            k,
            ofA,
            back,
            dx -> lora.gradientExpand(type, back.span(), RANK, table, null, dx.span(), rows, k)));
  }

  /** {@code z = scale x factorᵀ}, factor {@code [rank, width]}. */
  private Probe shrink(
      String name,
      int rows,
      int width,
      float[] factor,
      DeviceMemory z,
      Consumer<DeviceMemory> kernel) {
    float[] x = bench.draw(rows * width, 1, type);
    DeviceMemory in = bench.upload(x, type);
    return new Probe(
        String.format(Locale.ROOT, "%s %s %d rows of %d", name, type.torchName(), rows, width),
        tolerance(),
        in.span().bytes() + z.span().bytes() + (double) RANK * width * type.bytes(),
        0,
        () -> kernel.accept(in),
        () -> {
          float[] expected = new float[rows * RANK];
          for (int i = 0; i < expected.length; i++) {
            double sum = dot(x, i / RANK * width, factor, i % RANK * width, width);
            expected[i] = (float) (SCALE * sum);
          }
          return new float[][] {expected, type.toFloats(z.download())};
        });
  }

  /** {@code y += z factorᵀ}, factor {@code [width, rank]}, from y = 0. */
  private Probe expand(
      String name,
      int rows,
      int width,
      float[] factor,
      DeviceMemory z,
      Consumer<DeviceMemory> kernel) {
    DeviceMemory y = bench.zeros(rows * width * type.bytes());
    return new Probe(
        String.format(Locale.ROOT, "%s %s %d rows to %d", name, type.torchName(), rows, width),
        tolerance(),
        z.span().bytes() + 2.0 * y.span().bytes() + (double) RANK * width * type.bytes(),
        0,
        () -> kernel.accept(y),
        () -> {
          float[] left = type.toFloats(z.download());
          float[] expected = new float[rows * width];
          for (int i = 0; i < expected.length; i++) {
            expected[i] = (float) dot(left, i / width * RANK, factor, i % width * RANK, RANK);
          }
          return new float[][] {expected, type.toFloats(y.download())};
        });
  }

  private static float[] transposed(float[] matrix, int rows, int columns) {
    float[] result = new float[matrix.length];
    for (int i = 0; i < matrix.length; i++) {
      result[i % columns * rows + i / columns] = matrix[i];
    }
    return result;
  }

  private double tolerance() {
    return type == FloatType.F32 ? 1e-5 : type == FloatType.F16 ? 0x1p-9 : 0x1p-7;
  }

  private static double dot(float[] a, int aFrom, float[] b, int bFrom, int length) {
    double sum = 0;
    for (int i = 0; i < length; i++) {
      sum += (double) a[aFrom + i] * b[bFrom + i];
    }
    return sum;
  }
}
