package io.peft4j.cli;

import io.peft4j.cuda.GpuDoctor;
import io.peft4j.cuda.GpuReport;
import io.peft4j.torch.Devices;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code peft doctor}: what this machine offers, and whether the kernels work on it. */
@Command(
    name = "doctor",
    description = "Tell what this machine offers and whether the kernels work on it.",
    mixinStandardHelpOptions = true)
final class DoctorCommand implements Callable<Integer> {

  @Option(names = "--gpu", description = "The GPU alone.")
  private boolean gpu;

  @Option(names = "--bench", description = "Time the GPU's kernels as well.")
  private boolean bench;

  @Override
  public Integer call() {
    if (!gpu) {
      Runtime runtime = Runtime.getRuntime();
      System.out.println(
          "Java "
              + System.getProperty("java.version")
              + " on "
              + System.getProperty("os.name")
              + " "
              + System.getProperty("os.arch")
              + ", "
              + runtime.availableProcessors()
              + " processors.");
    }
    GpuReport report = bench ? GpuDoctor.measure() : GpuDoctor.examine();
    System.out.print(report.text());
    System.out.println(
        Devices.missing(0)
            .map(what -> "Models run on the CPU (--device auto): " + what + ".")
            .orElse("Models can run on the GPU: --device cuda, or auto."));
    return report.healthy() ? 0 : 1;
  }
}
