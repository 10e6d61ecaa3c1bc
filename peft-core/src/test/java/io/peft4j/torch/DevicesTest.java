package io.peft4j.torch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.Device;
import java.util.Optional;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;

class DevicesTest {

  @Test
  void theCpuIsAlwaysThere() {
    assertEquals(Device.cpu(), Devices.named("cpu"));
    assertEquals(Device.cpu(), Devices.named("CPU"));
  }

  @Test
  void otherNamesAreRefused() {
    for (String name : new String[] {"gpu", "cuda:", "cuda:x", "cuda:1000", ""}) {
      String message =
          assertThrows(IllegalArgumentException.class, () -> Devices.named(name)).getMessage();
      assertEquals("device: expected cpu, cuda, cuda:N or auto, found " + name, message);
    }
  }

  /** The libtorch of the tests is for CPUs, whatever the machine has. */
  @Test
  void aGpuThatCannotBeUsedIsRefusedWithWhatIsMissing() {
    Optional<String> missing = Devices.missing(0);
    if (missing.isEmpty()) {
      System.out.println("skipped: this libtorch can use a GPU here");
    }
    Assumptions.assumeTrue(missing.isPresent());
    assertTrue(missing.get().contains("libtorch in use, 2.7.1, is for CPUs only"), missing.get());
    assertTrue(missing.get().contains("docs/gpu.md"), missing.get());
    for (String name : new String[] {"cuda", "cuda:3"}) {
      String message =
          assertThrows(IllegalArgumentException.class, () -> Devices.named(name)).getMessage();
      assertTrue(message.startsWith("device " + name + ": "), message);
    }
    assertEquals(Device.cpu(), Devices.named("auto"));
  }
}
