package io.peft4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import picocli.CommandLine;

/** What a command, run as a user runs it, ended with and said. */
record PeftRun(int code, String out, String err) {

  /** {@return a run that has to end well} */
  static PeftRun good(String... arguments) {
    PeftRun run = of(arguments);
    assertEquals(0, run.code(), run.err());
    return run;
  }

  static PeftRun of(String... arguments) {
    StringWriter err = new StringWriter();
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    PrintStream before = System.out;
    System.setOut(new PrintStream(out, true, StandardCharsets.UTF_8));
    try {
      CommandLine commandLine = Peft.commandLine();
      commandLine.setErr(new PrintWriter(err, true));
      int code = commandLine.execute(arguments);
      return new PeftRun(code, out.toString(StandardCharsets.UTF_8), err.toString());
    } finally {
      System.setOut(before);
    }
  }
}
