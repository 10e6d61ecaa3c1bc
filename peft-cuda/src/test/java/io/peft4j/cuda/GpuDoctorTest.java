package io.peft4j.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** The doctor's report, on the stand-in driver. */
@ExtendWith(Standin.class)
class GpuDoctorTest {
  @BeforeEach
  void fresh() {
    Standin.reset();
  }

  @Test
  void everyKernelIsCheckedAndRight() {
    GpuReport report = GpuDoctor.examine(1);
    System.out.print(report.text());
    assertTrue(report.healthy());
    assertEquals(65, report.checks().size());
    assertTrue(
        report.text().startsWith("GPU: stand-in (kernels on the CPU), compute capability 8.0"));
    assertTrue(report.text().endsWith("65 of 65 kernels right\n"));
    assertEquals(0, Standin.get("allocations"));
  }

  @Test
  void aKernelThatDoesNotRunIsNamed() {
    Standin.fail("cuLaunchKernel", 0, 701);
    GpuReport report = GpuDoctor.examine(1);
    assertFalse(report.healthy());
    assertTrue(
        report.text().contains("FAILED  dequantize nf4 to float32 136x192: cuLaunchKernel failed"),
        report.text());
    assertTrue(report.text().endsWith("64 of 65 kernels right\n"));
    assertEquals(0, Standin.get("allocations"));
  }

  @Test
  void anUnfitGpuIsDescribed() {
    Standin.set("capability", 61);
    GpuReport report = GpuDoctor.examine(1);
    assertTrue(report.healthy());
    assertTrue(report.text().contains("compute capability 6.1"), report.text());
    assertTrue(report.text().contains("It cannot be used: the GPU's compute capability is 6.1"));
    assertTrue(report.text().endsWith("Everything runs on the CPU.\n"));
  }
}
