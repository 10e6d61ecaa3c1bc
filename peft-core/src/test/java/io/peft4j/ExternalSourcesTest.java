package io.peft4j;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.File;
import java.io.IOException;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import javax.tools.JavaCompiler;
import javax.tools.StandardJavaFileManager;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * What {@code src/external} adds to the library, it adds from outside: its packages are not ours,
 * it compiles against the module as others see it, and nothing of ours names it.
 */
class ExternalSourcesTest {

  private static final Path SOURCES = Path.of("src/external/java");

  /** Not on the module path: the one has an invalid name, the other asks for what nobody needs. */
  private static final List<String> NO_MODULES =
      List.of("pytorch-native-cpu", "commons-compress", "junit", "jqwik", "opentest4j", "guava");

  @Test
  void compilesAgainstWhatTheModuleExports(@TempDir Path output) throws IOException {
    JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
    StringWriter messages = new StringWriter();
    try (StandardJavaFileManager files = compiler.getStandardFileManager(null, null, null)) {
      boolean compiled =
          compiler
              .getTask(
                  messages,
                  files,
                  null,
                  List.of(
                      "-proc:none",
                      "-d",
                      output.toString(),
                      "--module-path",
                      "target/classes" + File.pathSeparator + path(ExternalSourcesTest::isModule),
                      "--add-modules",
                      "io.peft4j.core",
                      "--class-path",
                      path(entry -> !isModule(entry) && entry.endsWith(".jar"))),
                  null,
                  files.getJavaFileObjectsFromPaths(sources()))
              .call();
      assertTrue(compiled, messages::toString);
    }
  }

  private static boolean isModule(String entry) {
    String name = Path.of(entry).getFileName().toString();
    return entry.endsWith(".jar") && NO_MODULES.stream().noneMatch(name::startsWith);
  }

  private static String path(Predicate<String> wanted) {
    String all =
        System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"));
    return Arrays.stream(all.split(File.pathSeparator))
        .filter(wanted)
        .collect(Collectors.joining(File.pathSeparator));
  }

  private static List<Path> sources() throws IOException {
    try (Stream<Path> files = Files.walk(SOURCES)) {
      return files.filter(file -> file.toString().endsWith(".java")).toList();
    }
  }

  @Test
  void isInPackagesOfItsOwnWhichNobodyNames() throws IOException {
    for (Path source : sources()) {
      assertTrue(source.startsWith(SOURCES.resolve("org/example")), source::toString);
    }
    try (Stream<Path> files = Files.walk(Path.of("src/main"))) {
      for (Path file : files.filter(Files::isRegularFile).toList()) {
        assertFalse(Files.readString(file).contains("org.example"), file::toString);
      }
    }
  }
}
