package io.peft4j.cuda;

import io.peft4j.quant.FloatType;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * How many combinations of kernel, shape, type and thread order were checked on the stand-in:
 * printed at the end, and in {@code target/kernels.md}.
 */
final class Tally {
  private static final Map<String, Map<FloatType, Integer>> CHECKED = new TreeMap<>();

  static {
    Runtime.getRuntime().addShutdownHook(new Thread(Tally::write));
  }

  private Tally() {}

  static synchronized void count(String operation, FloatType type) {
    CHECKED
        .computeIfAbsent(operation, key -> new EnumMap<>(FloatType.class))
        .merge(type, 1, Integer::sum);
  }

  private static synchronized void write() {
    List<String> lines = new ArrayList<>(List.of("| operation | float32 | float16 | bfloat16 |"));
    lines.add("|---|---|---|---|");
    int sum = 0;
    for (Map.Entry<String, Map<FloatType, Integer>> entry : CHECKED.entrySet()) {
      StringBuilder line = new StringBuilder("| " + entry.getKey() + " |");
      for (FloatType type : new FloatType[] {FloatType.F32, FloatType.F16, FloatType.BF16}) {
        int count = entry.getValue().getOrDefault(type, 0);
        sum += count;
        line.append(" ").append(count).append(" |");
      }
      lines.add(line.toString());
    }
    System.err.println("kernels x shapes x types checked on the stand-in: " + sum);
    lines.forEach(System.err::println);
    try {
      Files.write(Files.createDirectories(Path.of("target")).resolve("kernels.md"), lines);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
