package io.peft4j.examples.multitask;

import io.peft4j.data.Example;
import io.peft4j.data.Task;
import io.peft4j.data.TextDataset;
import io.peft4j.examples.code.JavaSources;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Function;

/** Passages of libraries' sources, to be told apart by library or by package. */
public final class JavaPassages {

  private static final int LINES = 6;

  /** Packages of fewer are left out, since one could not learn them. */
  private static final int FEWEST = 10;

  private JavaPassages() {}

  /** {@return passages, each with the name of its library} */
  public static TextDataset byLibrary(List<JavaSources> libraries) {
    return of("library", libraries, sources -> path -> sources.name());
  }

  /** {@return passages, each with the name of its package} */
  public static TextDataset byPackage(List<JavaSources> libraries) {
    return of("package", libraries, sources -> JavaPassages::folder);
  }

  private static String folder(String path) {
    int end = path.lastIndexOf('/');
    return end < 0 ? "." : path.substring(0, end).replace('/', '.');
  }

  private static TextDataset of(
      String name,
      List<JavaSources> libraries,
      Function<JavaSources, Function<String, String>> labels) {
    Map<String, List<Example>> byLabel = new TreeMap<>();
    for (JavaSources library : libraries) {
      Function<String, String> label = labels.apply(library);
      library
          .files()
          .forEach(
              (path, text) ->
                  byLabel
                      .computeIfAbsent(label.apply(path), key -> new ArrayList<>())
                      .addAll(passages(text, label.apply(path))));
    }
    List<Example> all =
        byLabel.values().stream()
            .filter(examples -> examples.size() >= FEWEST)
            .flatMap(List::stream)
            .toList();
    return TextDataset.of(name, all, Task.SINGLE_LABEL);
  }

  /** Whole ones, one after another; what a file imports would tell too much. */
  private static List<Example> passages(String text, String label) {
    List<String> lines =
        text.lines()
            .filter(line -> !line.isBlank() && !line.matches("(package|import) .*"))
            .map(String::strip)
            .toList();
    List<Example> passages = new ArrayList<>();
    for (int i = 0; i + LINES <= lines.size(); i += LINES) {
      passages.add(new Example(String.join("\n", lines.subList(i, i + LINES)), null, label, i + 1));
    }
    return passages;
  }
}
