package io.peft4j.torch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** DJL's libraries, started in a JVM of their own. */
class NativesTest {

  @TempDir private Path temp;

  /**
   * Without a home folder, DJL by itself loads what somebody left in the folder of temporary files
   * (seen with a library that printed the user it ran as).
   */
  @Test
  void withoutHomeServicesOrClassLoader() throws Exception {
    boolean linux = Files.exists(Path.of("/proc/self/maps"));
    if (!linux) {
      System.out.println("NativesTest skipped: the mapped libraries are read from /proc");
    }
    assumeTrue(linux);
    for (String kind : List.of("pytorch/2.7.1-20250812-cpu-linux-x86_64", "tokenizers")) {
      Path planted = Files.createDirectories(temp.resolve(".djl.ai").resolve(kind));
      Files.writeString(planted.resolve("libtorch.so"), "not a library");
    }
    ProcessBuilder builder =
        new ProcessBuilder(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "-Duser.home=/proc/nonexistent" /* nobody can make it, root included */,
            "-Djava.io.tmpdir=" + temp,
            "-cp",
            System.getProperty("java.class.path"),
            StartMain.class.getName());
    builder.environment().keySet().removeAll(List.of("DJL_CACHE_DIR", "ENGINE_CACHE_DIR"));
    Process process = builder.redirectErrorStream(true).start();
    String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertEquals(0, process.waitFor(), said);
    assertTrue(said.contains("sum 3.0"), said);
    List<String> libraries = said.lines().filter(line -> line.startsWith("/")).toList();
    assertFalse(libraries.isEmpty(), said);
    for (String library : libraries) {
      assertTrue(library.startsWith(temp + "/djl.ai-"), library);
    }
    assertTrue(libraries.stream().anyMatch(library -> library.contains("tokenizers")), said);
  }
}
