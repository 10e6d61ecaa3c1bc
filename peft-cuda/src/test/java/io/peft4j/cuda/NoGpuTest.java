package io.peft4j.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import io.peft4j.quant.kernel.QuantKernels;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

/** A machine without a driver, in a Java VM of its own: the stand-in is not loaded there. */
class NoGpuTest {
  @Test
  void theDoctorSaysPlainlyWhatIsMissing() {
    boolean driver = Files.exists(Path.of("/dev/nvidiactl"));
    if (driver) {
      System.out.println("SKIPPED theDoctorSaysPlainlyWhatIsMissing: this machine has a GPU");
    }
    assumeFalse(driver, "this machine has a GPU");
    ForkedJvm.Result result = ForkedJvm.run(GpuDoctor.class);
    assertEquals(0, result.exit());
    assertTrue(
        result.output().startsWith("GPU: none. no NVIDIA driver: libcuda.so.1"), result.output());
    assertTrue(result.output().endsWith("Everything runs on the CPU.\n"), result.output());
    assertEquals(2, result.output().lines().count(), result.output());
  }

  @Test
  void theCpusKernelsAreTaken() {
    assumeFalse(Files.exists(Path.of("/dev/nvidiactl")), "this machine has a GPU");
    assertEquals("java\n", ForkedJvm.run(Best.class).output());
  }

  /** Prints what the service loader puts first. */
  static final class Best {
    private Best() {}

    public static void main(String[] args) {
      System.out.println(QuantKernels.available().get(0).name());
    }
  }
}
