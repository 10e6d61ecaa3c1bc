package io.peft4j.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.peft4j.Shared;
import io.peft4j.torch.Precision;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * A thousand steps on batches of varied lengths, in a process whose Java heap is fixed: neither
 * what lies outside the heap nor the number of arrays grows once the caches are warm.
 */
@Tag("slow")
class FlatMemoryTest {

  private static final int WARM = 200;

  /** What the JVM's compilers and metaspace, and malloc's fragmentation, may still add. */
  private static final long TOLERANCE_KIB = 32 << 10;

  private record Line(int step, long outsideHeap, long jvm, long direct, int arrays) {
    static Line of(String text) {
      String[] words = text.split(" ");
      return new Line(
          Integer.parseInt(words[1]),
          Long.parseLong(words[2]),
          Long.parseLong(words[3]),
          Long.parseLong(words[4]),
          Integer.parseInt(words[5]));
    }
  }

  @ParameterizedTest
  @EnumSource(Precision.class)
  void thousandStepsOfAnEncoder(Precision precision, @TempDir Path folder) throws Exception {
    assumeReadable();
    Path model = RandomBert.write(folder.resolve("model"), 2, 128);
    staysFlat(model, "classifier", precision, folder.resolve("output"));
  }

  @Test
  void thousandStepsOfALanguageModel(@TempDir Path folder) throws Exception {
    assumeReadable();
    staysFlat(Shared.path("models/stories260k"), "causal", Precision.BFLOAT16, folder);
  }

  private static void assumeReadable() {
    boolean linux = Files.isReadable(Path.of("/proc/self/status"));
    if (!linux) {
      System.out.println("FlatMemoryTest skipped: no /proc/self/status to read memory from");
    }
    assumeTrue(linux, "no /proc/self/status to read memory from");
  }

  private static void staysFlat(Path model, String kind, Precision precision, Path output)
      throws Exception {
    List<Line> lines = run(model, kind, precision, output);
    assertEquals(20, lines.size());
    Line warm = lines.get(WARM / 50 - 1);
    assertEquals(WARM, warm.step());
    // Of a saw-tooth only the teeth count.
    long before = lines.stream().limit(WARM / 50).mapToLong(Line::outsideHeap).max().orElseThrow();
    long after = lines.stream().skip(WARM / 50).mapToLong(Line::outsideHeap).max().orElseThrow();
    System.out.printf(
        Locale.ROOT,
        "%s in %s, 1000 steps: outside the heap at most %d MiB to step %d and %d MiB after, last %d MiB;"
            + " %d arrays at step %d, %d at the end%n",
        kind,
        precision,
        before >> 10,
        WARM,
        after >> 10,
        lines.get(19).outsideHeap() >> 10,
        warm.arrays(),
        WARM,
        lines.get(19).arrays());
    for (Line line : lines) {
      assertEquals(warm.arrays(), line.arrays(), "arrays at step " + line.step());
      assertTrue(line.direct() < 16 << 10, "direct buffers: " + line);
    }
    assertTrue(after - before < TOLERANCE_KIB, "grew by " + (after - before) + " KiB: " + lines);
  }

  private static List<Line> run(Path model, String kind, Precision precision, Path output)
      throws IOException, InterruptedException {
    Process process =
        Fork.start(
            MemoryRun.class,
            List.of("-Xms128m", "-Xmx128m", "-XX:+AlwaysPreTouch"),
            model,
            output,
            precision,
            1000,
            kind);
    List<Line> lines = new ArrayList<>();
    try (BufferedReader said = process.inputReader();
        Stream<String> text = said.lines()) {
      text.filter(line -> line.startsWith("memory ")).map(Line::of).forEach(lines::add);
    }
    assertEquals(0, process.waitFor());
    return lines;
  }
}
