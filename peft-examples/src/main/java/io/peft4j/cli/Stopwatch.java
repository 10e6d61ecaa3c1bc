package io.peft4j.cli;

import io.peft4j.train.report.ProcessMemory;
import io.peft4j.train.report.StepReport;
import io.peft4j.train.report.TrainingListener;
import java.lang.management.ManagementFactory;
import java.util.Optional;

/** Times the steps of a training after those that warm up. */
final class Stopwatch implements TrainingListener {
  private final int warmup;
  private long started;
  private long cpuStarted;
  private int steps;
  private double seconds;
  private double cpuSeconds;
  private double firstLoss;
  private double lastLoss;
  private Optional<ProcessMemory.Gpu> gpu = Optional.empty();

  /**
   * @param warmup steps not to time, at least one
   */
  Stopwatch(int warmup) {
    this.warmup = warmup;
  }

  @Override
  public void onStep(StepReport step) {
    if (step.step() == 1) {
      firstLoss = step.loss();
    }
    if (step.step() == warmup) {
      started = System.nanoTime();
      cpuStarted = cpu();
    }
    lastLoss = step.loss();
    gpu = step.memory().gpu();
    steps = step.step() - warmup;
    seconds = (System.nanoTime() - started) / 1e9;
    cpuSeconds = (cpu() - cpuStarted) / 1e9;
  }

  private static long cpu() {
    return ManagementFactory.getOperatingSystemMXBean()
            instanceof com.sun.management.OperatingSystemMXBean system
        ? system.getProcessCpuTime()
        : 0;
  }

  /** {@return how many steps were timed} */
  int steps() {
    return steps;
  }

  double seconds() {
    return seconds;
  }

  /** {@return seconds of processors, of the whole process} */
  double cpuSeconds() {
    return cpuSeconds;
  }

  double firstLoss() {
    return firstLoss;
  }

  double lastLoss() {
    return lastLoss;
  }

  /** {@return the GPU's memory at the last step, if there is one} */
  Optional<ProcessMemory.Gpu> gpu() {
    return gpu;
  }
}
