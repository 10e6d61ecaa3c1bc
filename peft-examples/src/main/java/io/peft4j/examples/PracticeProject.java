package io.peft4j.examples;

import io.peft4j.cli.Subcommand;
import io.peft4j.hub.HubConfig;
import io.peft4j.hub.ModelHub;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.Locale;
import picocli.CommandLine;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** A main that is to be read: what it does is its {@link #call}, from top to bottom. */
abstract class PracticeProject implements Subcommand {

  @Spec private CommandSpec spec;

  /** {@return a project as a program of its own: what goes wrong is one line} */
  static CommandLine commandLine(PracticeProject project) {
    return new CommandLine(project)
        .setExecutionExceptionHandler(
            (exception, line, parsed) -> {
              line.getErr().println(line.getCommandName() + ": " + exception.getMessage());
              return line.getCommandSpec().exitCodeOnExecutionException();
            });
  }

  /** {@return the folder of a model named by folder or hub id, downloaded where need be} */
  static Path locate(String model) throws IOException {
    return new ModelHub(HubConfig.fromEnvironment(System.getenv())).locate(model);
  }

  /** Prints a line. */
  final void say(String format, Object... values) {
    PrintWriter out = spec.commandLine().getOut();
    out.println(String.format(Locale.ROOT, format, values));
    out.flush();
  }
}
