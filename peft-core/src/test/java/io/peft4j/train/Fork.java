package io.peft4j.train;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Starts a main class of the tests in a JVM of its own. */
public final class Fork {

  /** Such as the locale. As arguments they are not told of in the first line of the output. */
  private static final String OPTIONS = "JDK_JAVA_OPTIONS";

  private Fork() {}

  /** Standard output is to be read, errors go where this JVM's go. */
  static Process start(Class<?> main, List<String> options, Object... arguments)
      throws IOException {
    ProcessBuilder builder = builder(command(main, options, arguments));
    builder.redirectError(ProcessBuilder.Redirect.INHERIT);
    return builder.start();
  }

  /**
   * As {@link #start}, within an address space of {@code limitBytes} (0 for any), set by the
   * shell's {@code ulimit -v}; output and errors are to be read together.
   */
  static Process startLimited(
      long limitBytes, Class<?> main, List<String> options, Object... arguments)
      throws IOException {
    List<String> command = new ArrayList<>();
    String limit = limitBytes == 0 ? "unlimited" : Long.toString(limitBytes >> 10);
    command.addAll(List.of("sh", "-c", "ulimit -v " + limit + " && exec \"$@\"", "sh"));
    command.addAll(command(main, options, arguments));
    ProcessBuilder builder = builder(command);
    // malloc reserves 64 MiB of addresses for each thread that allocates, unless told not to
    builder.environment().put("MALLOC_ARENA_MAX", "1");
    builder.redirectErrorStream(true);
    return builder.start();
  }

  /** As {@link #start}, with more environment variables; errors are read with the output. */
  static Process startWith(
      Map<String, String> environment, Class<?> main, List<String> options, Object... arguments)
      throws IOException {
    ProcessBuilder builder = builder(command(main, options, arguments));
    builder.environment().putAll(environment);
    builder.redirectErrorStream(true);
    return builder.start();
  }

  /** As {@link #start}, with output and errors in a file. */
  public static Process startInto(
      Path output, Class<?> main, List<String> options, Object... arguments) throws IOException {
    ProcessBuilder builder = builder(command(main, options, arguments));
    return builder.redirectErrorStream(true).redirectOutput(output.toFile()).start();
  }

  private static List<String> command(Class<?> main, List<String> options, Object... arguments) {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    String inherited = System.getenv(OPTIONS);
    if (inherited != null && !inherited.isBlank()) {
      command.addAll(List.of(inherited.strip().split("\\s+")));
    }
    command.addAll(options);
    command.addAll(List.of("-cp", System.getProperty("java.class.path"), main.getName()));
    for (Object argument : arguments) {
      command.add(argument.toString());
    }
    return command;
  }

  private static ProcessBuilder builder(List<String> command) {
    ProcessBuilder builder = new ProcessBuilder(command);
    builder.environment().remove(OPTIONS);
    builder.environment().put("OMP_NUM_THREADS", "1");
    // oneDNN's store of kernels fills up within a run's first steps, so that what grows later is a
    // leak
    builder.environment().put("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64");
    return builder;
  }
}
