package io.peft4j.cli;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.peft4j.io.JsonFiles;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;

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
}
