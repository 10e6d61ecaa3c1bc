package io.peft4j.examples;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.peft4j.adapter.AdapterFiles;
import java.io.IOException;
import java.io.StringWriter;
import java.net.URI;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import javax.tools.JavaCompiler;
import javax.tools.JavaFileObject;
import javax.tools.SimpleJavaFileObject;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The README's program compiles and runs; links lead somewhere; excerpts are the source's. */
class ReadmeTest {

  private static final Path ROOT = Path.of("..").toAbsolutePath().normalize();
  private static final Pattern PROGRAM = Pattern.compile("(?s)```java\n(.*?)```");
  private static final Pattern EXCERPT =
      Pattern.compile("(?s)```java\n// ([\\w/-]+\\.java)\n(.*?)```");
  private static final Pattern CLASS = Pattern.compile("public class (\\w+)");
  private static final Pattern LINK = Pattern.compile("\\]\\((?!https?:)([^)#]+)(#[^)]*)?\\)");

  @TempDir private Path folder;

  @Test
  void programCompilesAndRuns() throws Exception {
    Matcher program = PROGRAM.matcher(Files.readString(ROOT.resolve("README.md")));
    assertTrue(program.find(), "README.md has a ```java block");
    String source = program.group(1);
    Matcher name = CLASS.matcher(source);
    assertTrue(name.find(), source);
    compile(name.group(1), source);

    Path data = folder.resolve("texts.tsv");
    StringBuilder rows = new StringBuilder("text\tlabel\n");
    // as many labels as the model's head has
    for (int i = 0; i < 10; i++) {
      rows.append(
          String.format(Locale.ROOT, "yes %d\tgood\nno %d\tbad\nperhaps %d\tfair\n", i, i, i));
    }
    Files.writeString(data, rows);
    Path model = ROOT.resolve("peft-core/src/test/resources/golden/encoders/bert");
    Path output = folder.resolve("adapter");
    try (URLClassLoader loader =
        new URLClassLoader(new URL[] {folder.toUri().toURL()}, getClass().getClassLoader())) {
      String[] arguments = {model.toString(), data.toString(), output.toString()};
      loader
          .loadClass(name.group(1))
          .getMethod("main", String[].class)
          .invoke(null, (Object) arguments);
    }
    assertTrue(Files.exists(output.resolve(AdapterFiles.CONFIG)));
    assertTrue(Files.exists(output.resolve(AdapterFiles.WEIGHTS)));
    assertTrue(Files.readString(output.resolve("config.json")).contains("good"));
  }

  private void compile(String name, String source) {
    JavaFileObject file =
        new SimpleJavaFileObject(
            URI.create("string:///" + name + ".java"), JavaFileObject.Kind.SOURCE) {
          @Override
          public CharSequence getCharContent(boolean ignoreEncodingErrors) {
            return source;
          }
        };
    // Surefire may put the real class path into a manifest and here
    String classPath =
        System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"));
    JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
    StringWriter messages = new StringWriter();
    List<String> options = List.of("-classpath", classPath, "-d", folder.toString(), "-proc:none");
    boolean compiled = compiler.getTask(messages, null, null, options, null, List.of(file)).call();
    assertTrue(compiled, messages.toString());
  }

  /**
   * A block that begins with the path of a file holds lines of it: all of them, but for imports and
   * comments at the head, notes at their ends, and what a line with three dots leaves out.
   */
  @Test
  void excerptsAreTheSource() throws IOException {
    int excerpts = 0;
    for (Path page : pages()) {
      Matcher block = EXCERPT.matcher(Files.readString(page));
      while (block.find()) {
        String source = Files.readString(ROOT.resolve(block.group(1)));
        int from = 0;
        for (String part : block.group(2).split("(?m)^ *\\.\\.\\.\n")) {
          String lines = part.replaceAll("(?m) +// \\d+\\..*$", "");
          int at = source.indexOf(lines, from);
          assertTrue(at >= 0, page + ": " + block.group(1) + " has no\n" + lines);
          from = at + lines.length();
        }
        assertEquals(source.length(), from, page + ": all to the end of " + block.group(1));
        excerpts++;
      }
    }
    assertTrue(excerpts > 0, "there is an excerpt");
  }

  private static List<Path> pages() throws IOException {
    List<Path> pages = new ArrayList<>(List.of(ROOT.resolve("README.md")));
    try (Stream<Path> docs = Files.list(ROOT.resolve("docs"))) {
      docs.filter(page -> page.toString().toLowerCase(Locale.ROOT).endsWith(".md"))
          .forEach(pages::add);
    }
    return pages;
  }

  @Test
  void linksLeadSomewhere() throws IOException {
    List<String> broken = new ArrayList<>();
    for (Path page : pages()) {
      Matcher link = LINK.matcher(Files.readString(page));
      while (link.find()) {
        if (!Files.exists(page.resolveSibling(link.group(1)))) {
          broken.add(ROOT.relativize(page) + ": " + link.group(1));
        }
      }
    }
    assertEquals(List.of(), broken);
  }
}
