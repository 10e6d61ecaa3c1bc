package io.peft4j.examples;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.tngtech.archunit.core.domain.Dependency;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption.DoNotIncludeTests;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/** The table of packages in docs/architecture.md says which packages each of ours uses. */
class ArchitectureTableTest {

  private static final String ROOT = "io.peft4j.";
  private static final Pattern ROW = Pattern.compile("\\| `([a-z0-9.]+)` \\| .+ \\| (.*) \\|");

  @Test
  void theTableOfPackagesIsAsTheyAre() throws IOException {
    SortedMap<String, String> said = new TreeMap<>();
    for (String line : table(Path.of("../docs/architecture.md"))) {
      Matcher row = ROW.matcher(line);
      if (row.matches()) {
        said.put(row.group(1), row.group(2).replace("`", ""));
      }
    }
    SortedMap<String, String> uses = uses();
    Path found = Path.of("target/package-uses.txt"); // to mend the table by
    Files.createDirectories(found.getParent());
    Files.write(found, uses.entrySet().stream().map(Object::toString).toList());
    assertEquals(uses, said);
  }

  /** {@return the lines of the first table} */
  private static List<String> table(Path file) throws IOException {
    return Files.readAllLines(file).stream()
        .dropWhile(line -> !line.startsWith("| package |"))
        .takeWhile(line -> line.startsWith("|"))
        .toList();
  }

  private static SortedMap<String, String> uses() {
    SortedMap<String, TreeSet<String>> uses = new TreeMap<>();
    for (JavaClass type :
        new ClassFileImporter()
            .withImportOption(new DoNotIncludeTests())
            .importPackages("io.peft4j")) {
      if (type.getPackageName().startsWith(ROOT) && !type.getSimpleName().equals("package-info")) {
        TreeSet<String> used =
            uses.computeIfAbsent(name(type.getPackageName()), name -> new TreeSet<>());
        for (Dependency dependency : type.getDirectDependenciesFromSelf()) {
          String other = dependency.getTargetClass().getPackageName();
          if (other.startsWith(ROOT) && !other.equals(type.getPackageName())) {
            used.add(name(other));
          }
        }
      }
    }
    SortedMap<String, String> joined = new TreeMap<>();
    uses.forEach((name, used) -> joined.put(name, String.join(", ", used)));
    return joined;
  }

  private static String name(String packageName) {
    return packageName.substring(ROOT.length());
  }
}
