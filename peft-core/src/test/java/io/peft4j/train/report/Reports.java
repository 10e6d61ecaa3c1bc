package io.peft4j.train.report;

import java.util.OptionalInt;
import java.util.OptionalLong;

/** Reports for tests. */
final class Reports {

  static final ProcessMemory MEMORY =
      new ProcessMemory(OptionalLong.of(1_500_000_000L), OptionalLong.of(2_000_000_000L), 64 << 20);

  private Reports() {}

  static RunInfo run(int startStep, int totalSteps) {
    return new RunInfo(startStep, totalSteps, 2, 16_000, 147_456, 22_861_056);
  }

  static StepReport step(int step, double loss) {
    return step(step, step / 500.0, loss);
  }

  static StepReport step(int step, double epoch, double loss) {
    return new StepReport(step, 500, epoch, loss, 1e-3, 1.75, 210.5, 9800, MEMORY, 2.5, 125);
  }

  static RunSummary summary(int step) {
    return new RunSummary(step, 2, 0.41, 125.5, 205, 9700, MEMORY, false, OptionalInt.of(4));
  }
}
