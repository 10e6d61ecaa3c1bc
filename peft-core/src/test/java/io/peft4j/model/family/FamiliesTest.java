package io.peft4j.model.family;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.peft4j.model.load.ModelConfig;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** How families are found, and that nobody but its own file knows one. */
class FamiliesTest {

  private static final Pattern LITERAL = Pattern.compile("\"((?:[^\"\\\\]|\\\\.)*)\"");

  @TempDir Path temp;

  /** A family of an application. */
  public static class Plum implements Family {

    @Override
    public String modelType() {
      return "plum";
    }

    @Override
    public String defaults() {
      return "{\"stones\": 1}";
    }

    @Override
    public Architecture architecture(ModelConfig config) {
      throw config.wrong("fruit");
    }

    @Override
    public String classifierHead() {
      return "taste";
    }

    @Override
    public Set<String> heads() {
      return Set.of("taste");
    }
  }

  /** Another for the same. */
  public static class Damson extends Plum {}

  @Test
  void thoseOfTheLibraryAreFoundByTheirModelType() {
    assertTrue(Families.all().size() >= 11, Families.all().toString());
    for (Family family : Families.all()) {
      assertEquals(family, Families.find(family.modelType()), "the same each time");
      assertFalse(family.heads().isEmpty(), family.modelType());
    }
    assertNull(Families.find("plum"));
  }

  /** An application server's, say: not seen by the loader that the library is in. */
  @Test
  void theContextClassLoaderHasMore() throws IOException {
    Path services = Files.createDirectories(temp.resolve("META-INF/services"));
    Files.writeString(services.resolve(Family.class.getName()), Plum.class.getName() + "\n");
    Files.writeString(temp.resolve("config.json"), "{\"model_type\": \"plum\"}");
    Thread thread = Thread.currentThread();
    ClassLoader before = thread.getContextClassLoader();
    try (URLClassLoader loader =
        new URLClassLoader(new URL[] {temp.toUri().toURL()}, Plum.class.getClassLoader())) {
      thread.setContextClassLoader(loader);
      assertEquals(Plum.class, Families.find("plum").getClass());
      assertEquals(1, Families.config(temp).integer("stones"));
    } finally {
      thread.setContextClassLoader(before);
    }
    assertNull(Families.find("plum"));
  }

  @Test
  void twoForOneModelTypeAreAnErrorThatNamesBoth() {
    Exception e =
        assertThrows(
            IllegalStateException.class,
            () -> Families.distinct(List.of(new Plum(), new Damson())));
    String start =
        "two families for model_type plum: "
            + Plum.class.getName()
            + " and "
            + Damson.class.getName();
    assertTrue(e.getMessage().startsWith(start), e.getMessage());
    assertEquals(1, Families.distinct(List.of(new Plum(), new Plum())).size(), "found twice");
  }

  @Test
  void nobodyElseNamesAFamily() throws IOException {
    Set<String> types = Families.all().stream().map(Family::modelType).collect(Collectors.toSet());
    Path modules = Path.of("..").toAbsolutePath().normalize();
    List<String> found = new ArrayList<>();
    for (String module : List.of("peft-core", "peft-quant", "peft-cuda")) {
      Path main = modules.resolve(module).resolve("src/main/java");
      assertTrue(Files.isDirectory(main), main + " is not there");
      try (Stream<Path> files = Files.walk(main)) {
        files
            .filter(file -> file.toString().endsWith(".java"))
            .filter(file -> !file.getParent().endsWith("io/peft4j/model/zoo"))
            .forEach(file -> found.addAll(named(file, types)));
      }
    }
    // The adapters library calls a way to initialize "bert".
    found.removeIf(name -> name.equals("BottleneckMethod.java: bert"));
    assertEquals(List.of(), found);
  }

  private static List<String> named(Path file, Set<String> types) {
    Set<String> found = new TreeSet<>();
    try {
      Matcher literal = LITERAL.matcher(Files.readString(file));
      while (literal.find()) {
        if (types.contains(literal.group(1))) {
          found.add(file.getFileName() + ": " + literal.group(1));
        }
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return List.copyOf(found);
  }
}
