package io.peft4j.cuda;

import java.util.List;
import java.util.Locale;

/**
 * What {@link GpuDoctor} found.
 *
 * @param status the device, or why there is none
 * @param checks one a kernel and type; empty without a usable device
 */
public record GpuReport(GpuStatus status, List<Check> checks) {
  /**
   * A kernel's result.
   *
   * @param name operation, type and shape
   * @param error the largest deviation relative to the largest value; NaN if only timed
   * @param allowed the error that is still right
   * @param milliseconds a run took on the device
   * @param gigabytesPerSecond of the bytes it must move
   * @param teraflops of the operations it must do, 0 where memory bounds it
   * @param failure what the driver said, empty if it ran
   */
  public record Check(
      String name,
      double error,
      double allowed,
      double milliseconds,
      double gigabytesPerSecond,
      double teraflops,
      String failure) {

    /** Whether it ran, and right. */
    public boolean passed() {
      return failure.isEmpty() && !(error > allowed);
    }

    private String text() {
      if (!failure.isEmpty()) {
        return String.format(Locale.ROOT, "  FAILED  %s: %s", name, failure);
      }
      String speed =
          teraflops > 0
              ? String.format(
                  Locale.ROOT, "%8.2f TFLOP/s %8.1f GB/s", teraflops, gigabytesPerSecond)
              : String.format(Locale.ROOT, "%17s %7.1f GB/s", "", gigabytesPerSecond);
      String accuracy =
          Double.isNaN(error)
              ? "timed only"
              : String.format(Locale.ROOT, "error %.1e (allowed %.1e)", error, allowed);
      return String.format(
          Locale.ROOT,
          "  %-6s  %-52s %-32s %9.4f ms %s",
          passed() ? "ok" : "WRONG",
          name,
          accuracy,
          milliseconds,
          speed);
    }
  }

  /** Whether every check passed; also where there is no device. */
  public boolean healthy() {
    return checks.stream().allMatch(Check::passed);
  }

  /** For people. */
  public String text() {
    StringBuilder text = new StringBuilder();
    if (status.name().isEmpty()) {
      text.append("GPU: none. ").append(status.reason()).append(".\n");
    } else {
      text.append(
          String.format(
              Locale.ROOT,
              "GPU: %s, compute capability %d.%d, %d multiprocessors, %.1f GiB; driver for CUDA %d.%d%n",
              status.name(),
              status.capability() / 10,
              status.capability() % 10,
              status.multiprocessors(),
              status.memoryBytes() / (double) (1 << 30),
              status.driverVersion() / 1000,
              status.driverVersion() % 1000 / 10));
      if (!status.usable()) {
        text.append("It cannot be used: ").append(status.reason()).append(".\n");
      }
    }
    if (!status.usable()) {
      text.append("Everything runs on the CPU.\n");
    }
    checks.forEach(check -> text.append(check.text()).append('\n'));
    if (!checks.isEmpty()) {
      long wrong = checks.stream().filter(check -> !check.passed()).count();
      text.append(
          String.format(
              Locale.ROOT, "%d of %d kernels right%n", checks.size() - wrong, checks.size()));
    }
    return text.toString();
  }
}
