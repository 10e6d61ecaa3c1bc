package io.peft4j.examples;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** The list of long files in docs/architecture.md is true, both ways. */
class LongFilesTest {

  private static final int LINES = 400;

  @Test
  void whatIsLongSaysWhy() throws IOException {
    Set<String> found = new TreeSet<>();
    for (Path source : sources()) {
      if (Files.readAllLines(source).size() > LINES) {
        found.add(source.getFileName().toString().replace(".java", ""));
      }
    }
    String chapter =
        Files.readString(Path.of("..", "docs", "architecture.md"))
            .split("## Long files and why")[1];
    Set<String> listed =
        Pattern.compile("(?m)^\\| `(\\w+)` \\|")
            .matcher(chapter)
            .results()
            .map((MatchResult row) -> row.group(1))
            .collect(Collectors.toCollection(TreeSet::new));
    assertEquals(listed, found, "files of more than " + LINES + " lines");
  }

  private static List<Path> sources() throws IOException {
    List<Path> sources = new ArrayList<>();
    for (String module : List.of("peft-core", "peft-quant", "peft-cuda", "peft-examples")) {
      try (Stream<Path> files = Files.walk(Path.of("..", module, "src", "main", "java"))) {
        files.filter(file -> file.toString().endsWith(".java")).forEach(sources::add);
      }
    }
    return sources;
  }
}
