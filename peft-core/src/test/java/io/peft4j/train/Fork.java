package io.peft4j.train;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Starts a main class of the tests in a JVM of its own. */
final class Fork {

  private Fork() {}

  /** Standard output is to be read, errors go where this JVM's go. */
  static Process start(Class<?> main, List<String> options, Object... arguments)
      throws IOException {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(options);
    command.addAll(List.of("-cp", System.getProperty("java.class.path"), main.getName()));
    for (Object argument : arguments) {
      command.add(argument.toString());
    }
    ProcessBuilder builder = new ProcessBuilder(command);
    builder.environment().put("OMP_NUM_THREADS", "1");
    // oneDNN's store of kernels fills up within a run's first steps, so that what grows later is a
    // leak
    builder.environment().put("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64");
    builder.redirectError(ProcessBuilder.Redirect.INHERIT);
    return builder.start();
  }
}
