package io.peft4j.text;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Mutated tokenizers end in an exception at worst: the process lives, and soon comes to an end. */
class TokenizerFuzzTest {

  @TempDir private Path folder;

  @Test
  void fiveHundred() throws Exception {
    run(1, 500);
  }

  @Test
  @Tag("slow")
  void twentyThousand() throws Exception {
    run(2, 20_000);
  }

  private void run(long seed, int count) throws Exception {
    List<String> problems = new ArrayList<>();
    int accepted = 0;
    int from = 0;
    while (from < count) {
      Path output = folder.resolve("output");
      Process process = start(seed, from, count, output);
      String last = "";
      long since = System.nanoTime();
      while (!process.waitFor(200, TimeUnit.MILLISECONDS)) {
        String now = tail(output);
        if (!now.equals(last)) {
          last = now;
          since = System.nanoTime();
        } else if (System.nanoTime() - since > 10_000_000_000L && !last.isEmpty()) {
          process.destroyForcibly().waitFor();
          problems.add("more than 10 s: " + last);
        }
      }
      List<String> lines = Files.readAllLines(output);
      lines.stream().filter(line -> line.startsWith("odd ")).forEach(problems::add);
      String end = tail(output);
      if (process.exitValue() == 0) {
        accepted += Integer.parseInt(end.substring("accepted ".length()));
        break;
      }
      String mutant =
          lines.stream().filter(l -> l.startsWith("mutant ")).reduce((a, b) -> b).orElse("none");
      problems.add("ended with " + process.exitValue() + ": " + mutant + ": " + end);
      assertTrue(problems.size() < 20 && !mutant.equals("none"), problems.toString());
      from = Integer.parseInt(mutant.substring("mutant ".length())) + 1;
    }
    System.out.println(count + " mutated tokenizers, of which " + accepted + " were opened");
    assertEquals(List.of(), problems);
    assertTrue(accepted > count / 20, "hardly any mutant was opened: " + accepted);
  }

  private static String tail(Path output) throws IOException {
    List<String> lines = Files.exists(output) ? Files.readAllLines(output) : List.of();
    return lines.isEmpty() ? "" : lines.get(lines.size() - 1);
  }

  private Process start(long seed, int from, int to, Path output) throws IOException {
    return new ProcessBuilder(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "-Xmx512m",
            "-cp",
            System.getProperty("java.class.path"),
            TokenizerFuzz.class.getName(),
            Long.toString(seed),
            Integer.toString(from),
            Integer.toString(to),
            folder.toString())
        .redirectErrorStream(true)
        .redirectOutput(output.toFile())
        .start();
  }
}
