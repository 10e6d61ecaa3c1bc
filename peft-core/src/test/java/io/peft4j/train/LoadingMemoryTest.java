package io.peft4j.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.peft4j.safetensors.Checkpoint;
import io.peft4j.torch.Precision;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Loading a checkpoint costs the size of its file, not twice that. */
class LoadingMemoryTest {

  @Test
  void bfloat16CostsTheFile(@TempDir Path folder) throws Exception {
    boolean linux = Files.isReadable(Path.of("/proc/self/status"));
    if (!linux) {
      System.out.println("LoadingMemoryTest skipped: no /proc/self/status to read memory from");
    }
    assumeTrue(linux, "no /proc/self/status to read memory from");
    Path small = new RandomLlama(2, 256, 512, 1000).write(folder.resolve("small"));
    Path large = new RandomLlama(8, 1536, 4096, 8000).write(folder.resolve("large"));
    long file;
    try (Checkpoint checkpoint = Checkpoint.open(large)) {
      file = checkpoint.names().stream().mapToLong(n -> checkpoint.info(n).length()).sum();
    }
    Process process =
        Fork.start(
            LoadRun.class,
            List.of("-Xmx96m", "-XX:+UseSerialGC"),
            small,
            large,
            Precision.BFLOAT16);
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertEquals(0, process.waitFor(), output);
    String line = output.lines().filter(l -> l.startsWith("grew ")).findFirst().orElseThrow();
    long grew = Long.parseLong(line.substring("grew ".length()));
    System.out.printf(
        Locale.ROOT,
        "weights of %d MiB, loaded and run: %d MiB more memory%n",
        file >> 20,
        grew >> 20);
    assertTrue(grew < 1.1 * file, grew + " bytes for " + file);
    assertTrue(grew > 0.8 * file, "all of the weights were read: " + grew + " of " + file);
  }
}
