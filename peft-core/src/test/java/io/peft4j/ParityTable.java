package io.peft4j;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;

/** What the tests of a class measured, for people to read: {@code target/parity/NAME.md}. */
public final class ParityTable {

  private final String name;
  private final String title;
  private final List<String> columns;
  private final Map<String, Map<String, String>> rows = new TreeMap<>();

  /**
   * @param columns the first is what a row is called
   */
  public ParityTable(String name, String title, String... columns) {
    this.name = name;
    this.title = title;
    this.columns = List.of(columns);
  }

  /** Sets a cell; the larger one stays if it is set twice. */
  public void put(String row, String column, double difference) {
    rows.computeIfAbsent(row, key -> new LinkedHashMap<>())
        .merge(
            column,
            String.format(Locale.ROOT, "%.1e", difference),
            (a, b) -> Double.parseDouble(a) > Double.parseDouble(b) ? a : b);
  }

  /** Sets a cell. */
  public void put(String row, String column, String text) {
    rows.computeIfAbsent(row, key -> new LinkedHashMap<>()).put(column, text);
  }

  public void write() throws IOException {
    List<String> lines = new ArrayList<>(List.of("# " + title, ""));
    lines.add(line(columns));
    lines.add(line(columns.stream().map(column -> "---").toList()));
    rows.forEach(
        (row, cells) -> {
          List<String> all = new ArrayList<>(List.of(row));
          columns.stream().skip(1).forEach(column -> all.add(cells.getOrDefault(column, "")));
          lines.add(line(all));
        });
    Path folder = Files.createDirectories(Path.of("target", "parity"));
    Files.write(folder.resolve(name + ".md"), lines);
  }

  private static String line(List<String> cells) {
    return "| " + String.join(" | ", cells) + " |";
  }
}
