package io.peft4j.examples;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import java.util.Set;
import java.util.TreeSet;
import java.util.jar.JarEntry;
import java.util.jar.JarOutputStream;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Builds the programs in {@code src/test/packaging} by Maven, as their authors would, and runs them
 * on every JDK there is. The one test that downloads: Spring Boot and Quarkus, through Maven.
 */
@Tag("slow")
class PackagingTest {

  private static final Path ROOT = Path.of("..").toAbsolutePath().normalize();
  private static final Path PROJECTS = Path.of("src", "test", "packaging").toAbsolutePath();
  private static final Path MODEL =
      ROOT.resolve("peft-core/src/test/resources/golden/causal/llama");

  /** Another for each run: Maven keeps what it once found of a version. */
  private static final String VERSION = "0-packaging-" + System.currentTimeMillis();

  @TempDir private Path temp;

  /** The last of the line before the last, the last line, and the present one. */
  @ParameterizedTest
  @ValueSource(strings = {"3.3.13", "3.5.7", "4.0.0"})
  void springBoot(String version) throws Exception {
    Path project = copy("boot");
    Files.copy(
        PROJECTS.resolve("shaded/src/main/java/app/App.java"),
        project.resolve("src/main/java/app/App.java"));
    runsOnEveryJdk(build(project, "-Dboot.version=" + version));
  }

  @ParameterizedTest
  @ValueSource(strings = {"3.15.1", "3.30.2"})
  void quarkus(String version) throws Exception {
    Path project = copy("quarkus");
    Files.copy(
        PROJECTS.resolve("shaded/src/main/java/app/App.java"),
        project.resolve("src/main/java/app/App.java"));
    build(project, "-Dquarkus.version=" + version);
    runsOnEveryJdk(project.resolve("target/quarkus-app/quarkus-run.jar"));
  }

  @Test
  void shadedWithoutCareForServices() throws Exception {
    runsOnEveryJdk(build(copy("shaded")));
  }

  private Path copy(String name) throws IOException {
    Path from = PROJECTS.resolve(name);
    Path to = temp.resolve(name);
    try (Stream<Path> files = Files.walk(from)) {
      for (Path file : (Iterable<Path>) files::iterator) {
        Files.copy(file, to.resolve(from.relativize(file).toString()));
      }
    }
    return to;
  }

  private Path build(Path project, String... more) throws Exception {
    publish(temp.resolve("repository"));
    List<String> command = new ArrayList<>(List.of("mvn", "-q", "-B", "-ntp", "package"));
    command.add("-Dpeft4j.version=" + VERSION);
    command.add("-Dpeft4j.repository=" + temp.resolve("repository").toUri());
    Properties versions = properties(Files.readString(ROOT.resolve("pom.xml")));
    for (String name : List.of("djl.version", "libtorch.version")) {
      command.add("-D" + name + "=" + versions.getProperty(name));
    }
    command.add("-Dlibtorch.classifier=" + classifier());
    command.addAll(List.of(more));
    try {
      Ended ended = run(project, command);
      assertEquals(0, ended.code(), ended.said());
    } catch (IOException e) {
      System.out.println("PackagingTest skipped: there is no mvn to build with: " + e.getMessage());
      assumeTrue(false, e.getMessage());
    } finally {
      forget();
    }
    return project.resolve("target/app.jar");
  }

  private static String classifier() {
    String system = System.getProperty("os.name");
    return system.startsWith("Windows")
        ? "win-x86_64"
        : system.startsWith("Mac") ? "osx-aarch64" : "linux-x86_64";
  }

  private void runsOnEveryJdk(Path jar) throws Exception {
    Set<Path> jdks = new TreeSet<>(Set.of(Path.of(System.getProperty("java.home")).toRealPath()));
    Path others = Path.of("/usr/lib/jvm");
    if (Files.isDirectory(others)) {
      try (Stream<Path> found = Files.list(others)) {
        found.filter(jdk -> !Files.isSymbolicLink(jdk)).forEach(jdks::add);
      }
    }
    for (Path jdk : jdks) {
      Path java = jdk.resolve("bin/java");
      if (Files.isExecutable(java) || Files.exists(jdk.resolve("bin/java.exe"))) {
        Path output = Files.createTempDirectory(temp, "adapter");
        List<String> command =
            List.of(java.toString(), "-jar", jar.toString(), MODEL.toString(), output.toString());
        Ended ended = run(temp, command);
        assertEquals(0, ended.code(), jdk + ": " + ended.said());
        assertTrue(
            ended.said().contains("works: 3 numbers, the first -6.516"), jdk + ": " + ended.said());
        System.out.println("works on " + jdk + ": " + temp.relativize(jar));
      }
    }
  }

  /** The library as a repository has it: parent and core, of the classes that are tested. */
  private static void publish(Path repository) throws IOException {
    for (String name : List.of("peft4j", "peft-core")) {
      boolean parent = name.equals("peft4j");
      Path folder = repository.resolve("io/peft4j").resolve(name).resolve(VERSION);
      Files.createDirectories(folder);
      String pom = Files.readString(ROOT.resolve(parent ? "pom.xml" : name + "/pom.xml"));
      Files.writeString(
          folder.resolve(name + "-" + VERSION + ".pom"), pom.replace("0.1.0-SNAPSHOT", VERSION));
      if (!parent) {
        jar(ROOT.resolve(name + "/target/classes"), folder.resolve(name + "-" + VERSION + ".jar"));
      }
    }
  }

  private static void jar(Path classes, Path jar) throws IOException {
    try (OutputStream out = Files.newOutputStream(jar);
        JarOutputStream entries = new JarOutputStream(out);
        Stream<Path> files = Files.walk(classes)) {
      for (Path file : (Iterable<Path>) files.filter(Files::isRegularFile)::iterator) {
        String name = classes.relativize(file).toString().replace('\\', '/');
        entries.putNextEntry(new JarEntry(name));
        Files.copy(file, entries);
        entries.closeEntry();
      }
    }
  }

  private static Properties properties(String pom) {
    Properties found = new Properties();
    Matcher matcher = Pattern.compile("<([\\w.-]+)>([^<]+)</\\1>").matcher(pom);
    while (matcher.find()) {
      found.putIfAbsent(matcher.group(1), matcher.group(2));
    }
    return found;
  }

  /** Maven has kept a copy, which nobody asks for again. */
  private static void forget() throws IOException {
    Path local = Path.of(System.getProperty("user.home"), ".m2", "repository", "io", "peft4j");
    for (String name : List.of("peft4j", "peft-core")) {
      Path copy = local.resolve(name).resolve(VERSION);
      if (Files.isDirectory(copy)) {
        try (Stream<Path> files = Files.list(copy)) {
          for (Path file : (Iterable<Path>) files::iterator) {
            Files.delete(file);
          }
        }
        Files.delete(copy);
      }
    }
  }

  private record Ended(int code, String said) {}

  private static Ended run(Path folder, List<String> command)
      throws IOException, InterruptedException {
    ProcessBuilder builder = new ProcessBuilder(command).directory(folder.toFile());
    builder.environment().put("JAVA_HOME", System.getProperty("java.home"));
    builder.environment().put("OMP_NUM_THREADS", "1");
    Process process = builder.redirectErrorStream(true).start();
    String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    return new Ended(process.waitFor(), said);
  }
}
