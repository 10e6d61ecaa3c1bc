package io.peft4j.fuzz;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.peft4j.train.Fork;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * Runs mutants in a process of their own, and another one where that ends, and says what ended it.
 */
public final class FuzzRun {

  /** The exit status with which a process says that a mutant took too much. */
  static final int EXCESS = 86;

  private static final int MOST_ENDS = 20;

  private FuzzRun() {}

  /**
   * Fails if a mutant ends the process, takes more than 10 s or ends in a raw exception, or if
   * hardly any is taken: mutants that are all refused at once would test little.
   *
   * @param folder an empty one
   */
  public static void run(Class<? extends FuzzKind> kind, long seed, int count, Path folder)
      throws Exception {
    long start = System.nanoTime();
    List<String> problems = new ArrayList<>();
    int accepted = 0;
    int from = 0;
    for (int ends = 0; from < count; ends++) {
      Path output = folder.resolve("output");
      int status =
          Fork.startInto(
                  output,
                  Fuzz.class,
                  List.of(
                      "-Xmx512m",
                      "-XX:TieredStopAtLevel=1",
                      "-XX:+UseSerialGC",
                      "-Djava.io.tmpdir=" + folder), // what a kind makes goes with the test's
                  kind.getName(),
                  seed,
                  from,
                  count,
                  folder)
              .waitFor();
      List<String> lines = Files.readAllLines(output);
      for (int i = 0; i < lines.size(); i++) {
        if (lines.get(i).startsWith("odd ")) {
          problems.add(String.join("\n", lines.subList(i, Math.min(i + 12, lines.size()))));
        }
      }
      String end = lines.isEmpty() ? "" : lines.get(lines.size() - 1);
      if (status == 0) {
        accepted += Integer.parseInt(end.substring("accepted ".length()));
        break;
      }
      int mutant = current(folder);
      if (status != EXCESS) {
        problems.add("mutant " + mutant + " ended the process with " + status + ": " + end);
      }
      assertTrue(
          ends < MOST_ENDS && mutant >= from,
          () -> "given up after " + String.join("\n", problems));
      from = mutant + 1;
    }
    System.out.printf(
        Locale.ROOT,
        "%s: %d mutants in %.1f s, of which %d were taken%n",
        kind.getSimpleName(),
        count,
        (System.nanoTime() - start) / 1e9,
        accepted);
    assertEquals("", String.join("\n\n", problems));
    assertTrue(accepted > count / 20, "hardly any mutant was taken: " + accepted);
  }

  private static int current(Path folder) throws IOException {
    Path file = folder.resolve(Fuzz.CURRENT);
    if (!Files.exists(file)) {
      return -1;
    }
    try (RandomAccessFile current = new RandomAccessFile(file.toFile(), "r")) {
      return current.readInt();
    }
  }
}
