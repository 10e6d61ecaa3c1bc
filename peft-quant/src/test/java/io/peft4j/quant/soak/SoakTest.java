package io.peft4j.quant.soak;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.ToLongFunction;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Half an hour of training, loading, predicting, switching and closing at the same time, with
 * faults, in a process of its own: nothing ends it, each answer is right, and it holds no more in
 * the end than in the middle. {@code -Dpeft4j.soak.seconds} and {@code -Dpeft4j.soak.seed} change
 * how long and what. Linux with a C compiler.
 */
class SoakTest {

  private static final Path CORE = Path.of("..", "peft-core", "src", "test");

  /** What malloc's fragmentation and the JVM's compilers may add from one third to the next. */
  private static final long RSS_KIB = 48 << 10;

  @Tag("slow")
  @Test
  void halfAnHourOfEverything(@TempDir Path folder) throws Exception {
    long seconds = Long.getLong("peft4j.soak.seconds", 1800);
    List<Measurement> measured = soak(folder, seconds, Math.min(30, seconds / 12));
    print(measured);
    staysFlat(measured);
  }

  /** What an ordinary build does of it: nothing is measured, as no cache is warm so soon. */
  @Test
  void someSecondsOfEverything(@TempDir Path folder) throws Exception {
    print(soak(folder, 8, 8));
  }

  private static List<Measurement> soak(Path folder, long seconds, long every) throws Exception {
    Path library = library(folder);
    Path control = Files.write(folder.resolve("control"), new byte[4096]);
    Path work = Files.createDirectory(folder.resolve("work")).toRealPath();
    Path faulty = work.resolve("faulty");
    ProcessBuilder builder =
        new ProcessBuilder(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "-Xms256m",
            "-Xmx256m",
            "-XX:+AlwaysPreTouch",
            "-cp",
            System.getProperty("java.class.path"),
            SoakRun.class.getName(),
            work.toString(),
            faulty.toString(),
            control.toString(),
            CORE.resolve("resources/golden").toRealPath().toString(),
            Long.toString(seconds),
            Long.toString(every),
            System.getProperty("peft4j.soak.seed", "1"));
    builder.environment().put("LD_PRELOAD", library.toString());
    builder.environment().put("DISK_FAULTS", control.toString());
    builder.environment().put("DISK_FAULTS_UNDER", faulty.toString());
    builder.environment().put("OMP_NUM_THREADS", "1");
    // each thread's own arena would be given back late, which looks like growth
    builder.environment().put("MALLOC_ARENA_MAX", "2");
    builder.environment().put("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64");
    builder.redirectErrorStream(true);
    Process process = builder.start();
    List<Measurement> measured = new ArrayList<>();
    List<String> said = new ArrayList<>();
    try (BufferedReader lines = process.inputReader(StandardCharsets.UTF_8)) {
      for (String line; (line = lines.readLine()) != null; ) {
        if (Measurement.isOne(line)) {
          System.out.println(line);
          measured.add(Measurement.of(line));
        } else {
          said.add(line);
        }
        if (line.startsWith("count ")) {
          System.out.println(line);
        }
      }
    }
    assertEquals(0, process.waitFor(), () -> String.join("\n", said));
    assertEquals(seconds / every, measured.size());
    return measured;
  }

  private static void print(List<Measurement> measured) {
    System.out.println("second operations rss_mib heap_mib arrays files threads mapped regions");
    for (Measurement one : measured) {
      System.out.printf(
          Locale.ROOT,
          "%6d %10d %7d %8d %6d %5d %7d %6d %7d%n",
          one.second(),
          one.operations(),
          one.rss() >> 10,
          one.heap() >> 10,
          one.arrays(),
          one.descriptors(),
          one.threads(),
          one.mapped(),
          one.regions());
    }
  }

  /** The first third warms caches; the last is held against the second. */
  private static void staysFlat(List<Measurement> measured) {
    int third = measured.size() / 3;
    List<Measurement> middle = measured.subList(third, 2 * third);
    List<Measurement> last = measured.subList(2 * third, measured.size());
    for (Measurement one : measured.subList(third, measured.size())) {
      Measurement first = middle.get(0);
      assertEquals(first.arrays(), one.arrays(), "arrays: " + one);
      assertEquals(first.mapped(), one.mapped(), "mapped tensor files: " + one);
      // a class path's jar, or the collector's own files
      assertTrue(Math.abs(first.descriptors() - one.descriptors()) <= 2, "files: " + one);
      assertTrue(Math.abs(first.threads() - one.threads()) <= 2, "threads: " + one);
    }
    grewAtMost(RSS_KIB, middle, last, Measurement::rss);
    grewAtMost(4 << 10, middle, last, Measurement::heap);
    grewAtMost(100, middle, last, Measurement::regions);
  }

  private static void grewAtMost(
      long bound,
      List<Measurement> middle,
      List<Measurement> last,
      ToLongFunction<Measurement> what) {
    long before = middle.stream().mapToLong(what).max().orElseThrow();
    long after = last.stream().mapToLong(what).max().orElseThrow();
    assertTrue(after - before <= bound, "grew from " + before + " to " + after + ": " + last);
  }

  private static Path library(Path folder) throws IOException, InterruptedException {
    Path library = folder.resolve("faults.so");
    Path source = CORE.resolve("c/disk_faults.c").toRealPath();
    boolean compiled = false;
    if (System.getProperty("os.name").equals("Linux")) {
      try {
        List<String> command = List.of("cc", "-shared", "-fPIC", "-O1", "-o");
        command = new ArrayList<>(command);
        command.addAll(List.of(library.toString(), source.toString(), "-ldl"));
        compiled = new ProcessBuilder(command).inheritIO().start().waitFor() == 0;
      } catch (IOException e) {
        System.out.println("SoakTest skips: no C compiler: " + e.getMessage());
      }
    } else {
      System.out.println("SoakTest skips: LD_PRELOAD and /proc are Linux's");
    }
    assumeTrue(compiled, "needs Linux and a C compiler");
    return library;
  }
}
