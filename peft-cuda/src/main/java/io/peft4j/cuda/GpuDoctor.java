package io.peft4j.cuda;

import io.peft4j.quant.FloatType;
import java.util.ArrayList;
import java.util.List;

/**
 * Examines the GPU: what it is, whether every kernel agrees with Java there, how fast each is.
 * Without a usable GPU the report says what is missing.
 */
public final class GpuDoctor {
  private static final int SHORT_RUNS = 5;
  private static final int LONG_RUNS = 50;

  private GpuDoctor() {}

  /** Checks every kernel on small operands. The speeds are those of small operands too. */
  public static GpuReport examine() {
    return examine(SHORT_RUNS);
  }

  static GpuReport examine(int runs) {
    return withContext(context -> selfTest(context, runs));
  }

  /**
   * Checks every kernel, then times them at the sizes of a 7B model's layers: weights of 4096×4096
   * and 4096×11008, and 1, 16, 512 and 4096 rows.
   */
  public static GpuReport measure() {
    return withContext(
        context -> {
          List<GpuReport.Check> checks = new ArrayList<>(selfTest(context, SHORT_RUNS));
          checks.addAll(bench(context));
          return checks;
        });
  }

  /** Prints the report; with the argument {@code --bench} that of {@link #measure}. */
  public static void main(String[] arguments) {
    boolean bench = arguments.length > 0 && arguments[0].equals("--bench");
    GpuReport report = bench ? measure() : examine();
    System.out.print(report.text());
    if (!report.healthy()) {
      System.exit(1);
    }
  }

  @FunctionalInterface
  private interface Examination {
    List<GpuReport.Check> in(CudaContext context);
  }

  private static GpuReport withContext(Examination examination) {
    GpuStatus status = GpuStatus.probe();
    if (!status.usable()) {
      return new GpuReport(status, List.of());
    }
    try (CudaContext context = CudaContext.open(0)) {
      return new GpuReport(status, List.copyOf(examination.in(context)));
    }
  }

  private static List<GpuReport.Check> selfTest(CudaContext context, int runs) {
    List<GpuReport.Check> checks = new ArrayList<>();
    try (Workbench bench = new Workbench(context)) {
      for (FloatType type : FloatType.values()) {
        WeightProbes weights = new WeightProbes(bench, type, 136, 192);
        List<Probe> probes = new ArrayList<>(weights.codec());
        for (int rows : new int[] {1, 4, 8, 16, 32, 64, 72}) {
          probes.add(weights.multiply(rows));
        }
        probes.add(weights.inputGradient(40));
        if (type != FloatType.F32) {
          probes.addAll(weights.lowRank(40));
        }
        probes.addAll(new LayerProbes(bench, type, 40, 272).all());
        probes.forEach(probe -> checks.add(check(context, probe, runs, true)));
      }
    }
    return checks;
  }

  private static List<GpuReport.Check> bench(CudaContext context) {
    List<GpuReport.Check> checks = new ArrayList<>();
    FloatType type = context.status().capability() >= 80 ? FloatType.BF16 : FloatType.F16;
    for (int n : new int[] {4096, 11008}) {
      try (Workbench bench = new Workbench(context)) {
        WeightProbes weights = new WeightProbes(bench, type, n, 4096);
        List<Probe> probes = new ArrayList<>();
        probes.add(DeviceCopy.probe(bench, 256L << 20));
        probes.addAll(weights.codec());
        for (int rows : new int[] {1, 16, 512, 4096}) {
          probes.add(weights.multiply(rows));
          probes.add(weights.inputGradient(rows));
        }
        probes.addAll(weights.lowRank(4096));
        probes.forEach(probe -> checks.add(check(context, probe, LONG_RUNS, false)));
      }
    }
    try (Workbench bench = new Workbench(context)) {
      for (Probe probe : new LayerProbes(bench, type, 4096, 4096).all()) {
        checks.add(check(context, probe, LONG_RUNS, false));
      }
    }
    return checks;
  }

  private static GpuReport.Check check(
      CudaContext context, Probe probe, int runs, boolean compare) {
    double error = Double.NaN;
    try {
      if (compare) {
        probe.run().run();
        context.synchronize();
        error = probe.error();
      }
      double milliseconds = Stopwatch.milliseconds(context, runs, probe.run());
      return new GpuReport.Check(
          probe.name(),
          error,
          probe.allowed(),
          milliseconds,
          probe.bytes() / milliseconds / 1e6,
          probe.operations() / milliseconds / 1e9,
          "");
    } catch (CudaException e) {
      return new GpuReport.Check(probe.name(), error, probe.allowed(), 0, 0, 0, e.getMessage());
    }
  }
}
