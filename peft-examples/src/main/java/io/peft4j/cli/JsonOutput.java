package io.peft4j.cli;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.io.AtomicFiles;
import io.peft4j.io.JsonFiles;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/** JSON on standard output. */
final class JsonOutput {

  private static final ObjectMapper JSON = JsonFiles.MAPPER;

  private JsonOutput() {}

  /** Prints a value on a line, in UTF-8 whatever the terminal's charset: a program reads it. */
  static void println(PrintStream out, Object value) throws IOException {
    String line = JSON.writeValueAsString(value) + System.lineSeparator();
    byte[] bytes = line.getBytes(StandardCharsets.UTF_8);
    out.write(bytes, 0, bytes.length);
    out.flush();
  }

  /**
   * Prints what a run came to, and writes it to a file.
   *
   * @param file null for none
   */
  static void report(ObjectNode result, Path file) throws IOException {
    if (file != null) {
      AtomicFiles.writeString(file, JSON.writeValueAsString(result) + "\n");
    }
    println(System.out, result);
  }
}
