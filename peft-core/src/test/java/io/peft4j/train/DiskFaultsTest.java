package io.peft4j.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Writes, syncs and renames that fail, by a library laid before libc's (Linux with a C compiler).
 */
class DiskFaultsTest {

  @Test
  void someOperationsFail(@TempDir Path folder) throws Exception {
    run(folder, 13);
  }

  @Tag("slow")
  @Test
  void eachOperationFails(@TempDir Path folder) throws Exception {
    run(folder, 1);
  }

  private static void run(Path folder, int stride) throws Exception {
    Path library = library(folder);
    Path control = Files.write(folder.resolve("control"), new byte[4096]);
    Path work = Files.createDirectory(folder.resolve("work")).toRealPath();
    Process process =
        Fork.startWith(
            Map.of(
                "LD_PRELOAD", library.toString(),
                "DISK_FAULTS", control.toString(),
                "DISK_FAULTS_UNDER", work.toString()),
            FaultyRun.class,
            List.of("-Xmx512m"),
            work,
            control,
            stride);
    String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    System.out.print(out);
    assertEquals(0, process.waitFor(), out);
    assertTrue(out.matches("(?s)\\d+ faults in \\d{2,} operations, .*"), out);
  }

  private static Path library(Path folder) throws IOException, InterruptedException {
    Path library = folder.resolve("faults.so");
    Path source = Path.of("src/test/c/disk_faults.c").toAbsolutePath();
    boolean compiled = false;
    if (System.getProperty("os.name").equals("Linux")) {
      try {
        compiled =
            new ProcessBuilder(
                        "cc",
                        "-shared",
                        "-fPIC",
                        "-O1",
                        "-o",
                        library.toString(),
                        source.toString(),
                        "-ldl")
                    .inheritIO()
                    .start()
                    .waitFor()
                == 0;
      } catch (IOException e) {
        System.out.println("DiskFaultsTest skips: no C compiler: " + e.getMessage());
      }
    } else {
      System.out.println("DiskFaultsTest skips: LD_PRELOAD is Linux's");
    }
    assumeTrue(compiled, "needs Linux and a C compiler");
    return library;
  }
}
