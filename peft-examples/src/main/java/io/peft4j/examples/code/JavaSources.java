package io.peft4j.examples.code;

import io.peft4j.data.CausalDataset;
import io.peft4j.data.CausalExample;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.net.JarURLConnection;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * The Java files of a library, without their block comments: licence and Javadoc would be most of
 * it.
 *
 * @param name of the library
 * @param files their texts by path, sorted
 */
public record JavaSources(String name, Map<String, String> files) {

  /** Strings are matched too, since they may contain what looks like a comment. */
  private static final Pattern COMMENT =
      Pattern.compile(
          "(\"[^\"\\\\\n]*+(?:\\\\.[^\"\\\\\n]*+)*+\"|'[^'\\\\\n]*+(?:\\\\.[^'\\\\\n]*+)*+')|/\\*.*?\\*/",
          Pattern.DOTALL);

  private static final Pattern BLANK_LINES = Pattern.compile("[ \\t]*\\n([ \\t]*\\n)+");
  private static final int EVERY = 10;

  public JavaSources {
    files = new TreeMap<>(files);
  }

  /**
   * The sources of a library that came through Maven as a {@code sources} jar on the class path.
   *
   * @param marker a file of it, such as {@code org/apache/commons/lang3/StringUtils.java}; the
   *     others are those beside and below it
   */
  public static JavaSources onClassPath(String name, String marker) throws IOException {
    URL url = JavaSources.class.getClassLoader().getResource(marker);
    if (url == null || !(url.openConnection() instanceof JarURLConnection connection)) {
      throw new FileNotFoundException(
          "expected the sources jar of " + name + " on the class path, found no " + marker);
    }
    connection.setUseCaches(false);
    try (JarFile jar = connection.getJarFile()) {
      return read(name, jar, marker.substring(0, marker.lastIndexOf('/') + 1));
    }
  }

  /**
   * The sources in a jar or folder.
   *
   * @throws IllegalArgumentException if it holds none
   */
  public static JavaSources read(Path path) throws IOException {
    JavaSources sources;
    String name = path.getFileName().toString();
    if (Files.isDirectory(path)) {
      Map<String, String> files = new TreeMap<>();
      try (Stream<Path> walk = Files.walk(path)) {
        for (Path file : walk.filter(f -> f.toString().endsWith(".java")).toList()) {
          files.put(path.relativize(file).toString(), withoutComments(Files.readString(file)));
        }
      }
      sources = new JavaSources(name, files);
    } else {
      try (JarFile jar = new JarFile(path.toFile())) {
        sources = read(name, jar, "");
      }
    }
    if (sources.files.size() < 2) {
      throw new IllegalArgumentException(
          path + ": expected at least two .java files, found " + sources.files.size());
    }
    return sources;
  }

  private static JavaSources read(String name, JarFile jar, String prefix) throws IOException {
    Map<String, String> files = new TreeMap<>();
    for (JarEntry entry : (Iterable<JarEntry>) jar.stream()::iterator) {
      String path = entry.getName();
      if (path.startsWith(prefix)
          && path.endsWith(".java")
          && !path.endsWith("package-info.java")
          && !path.endsWith("module-info.java")) {
        byte[] bytes = jar.getInputStream(entry).readAllBytes();
        files.put(path, withoutComments(new String(bytes, StandardCharsets.UTF_8)));
      }
    }
    return new JavaSources(name, files);
  }

  static String withoutComments(String source) {
    String code =
        COMMENT
            .matcher(source.replace("\r\n", "\n"))
            .replaceAll(
                match -> match.group(1) == null ? "" : Matcher.quoteReplacement(match.group(1)));
    return BLANK_LINES.matcher(code).replaceAll("\n\n").strip() + "\n";
  }

  /** {@return nine tenths of the files, to learn} */
  public CausalDataset train() {
    return part(false);
  }

  /** {@return every tenth file, to see how well they are predicted} */
  public CausalDataset heldOut() {
    return part(true);
  }

  private CausalDataset part(boolean heldOut) {
    List<CausalExample> examples = new ArrayList<>();
    int every = Math.min(EVERY, files.size());
    int i = 0;
    for (String text : files.values()) {
      if ((++i % every == 0) == heldOut) {
        examples.add(new CausalExample.Text(text, true, 1));
      }
    }
    return new CausalDataset(name, examples);
  }

  /** {@return how many characters there are} */
  public long characters() {
    return files.values().stream().mapToLong(String::length).sum();
  }
}
