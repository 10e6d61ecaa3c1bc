package io.peft4j.torch;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.peft4j.TestPython;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/**
 * That no function in TorchScript mixes devices or leaves the GPU, without one: Python's torch has
 * tensors that are on a device but have no elements. Needs a Python with torch.
 */
class OpsDeviceTest {

  @Test
  void operationsStayOnTheGpu() throws Exception {
    List<String> command = new ArrayList<>();
    command.add(TestPython.orSkip());
    command.add(Path.of("src", "test", "python", "check_devices.py").toString());
    try (Stream<Path> files = Files.walk(Path.of("src", "main", "resources"))) {
      files.map(Path::toString).filter(name -> name.endsWith(".py")).sorted().forEach(command::add);
    }
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    process.waitFor(1, TimeUnit.MINUTES);
    System.out.print(output);
    assertEquals(0, process.exitValue(), output);
  }
}
