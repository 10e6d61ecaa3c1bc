package io.peft4j.cuda;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/** A Java VM of its own, for what can be done once in a process. */
final class ForkedJvm {
  /** What the process did. */
  record Result(int exit, String output) {}

  private ForkedJvm() {}

  static Result run(Class<?> main, String... arguments) {
    try {
      ProcessBuilder builder =
          new ProcessBuilder(
                  Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                  "-Xmx512m",
                  "-cp",
                  System.getProperty("java.class.path"),
                  main.getName())
              .redirectErrorStream(true);
      builder.command().addAll(java.util.List.of(arguments));
      Process process = builder.start();
      String output =
          new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8)
              // the launcher's, where options come from the environment
              .replaceFirst("^NOTE: Picked up JDK_JAVA_OPTIONS.*\\R", "");
      int exit = process.waitFor();
      System.out.println(output);
      return new Result(exit, output);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException(e);
    }
  }
}
