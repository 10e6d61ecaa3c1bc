package io.peft4j.torch;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.peft4j.TestPython;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/**
 * That no operation of {@code ops.py} mixes devices or leaves the GPU, without one: Python's torch
 * has tensors that are on a device but have no elements. Needs a Python with torch.
 */
class OpsDeviceTest {

  @Test
  void operationsStayOnTheGpu() throws Exception {
    Process process =
        new ProcessBuilder(
                TestPython.orSkip(),
                Path.of("src", "test", "python", "check_devices.py").toString(),
                Path.of("src", "main", "resources", "io", "peft4j", "torch", "ops.py").toString())
            .redirectErrorStream(true)
            .start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    process.waitFor(1, TimeUnit.MINUTES);
    System.out.print(output);
    assertEquals(0, process.exitValue(), output);
  }
}
