package io.peft4j.cli;

import io.peft4j.cli.importer.ImportCommand;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.PrintStream;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.util.ServiceLoader;
import picocli.CommandLine;
import picocli.CommandLine.Command;

/** The command line; the practice projects are commands of it, as any {@link Subcommand} may be. */
@Command(
    name = "peft",
    description = "Parameter-efficient fine-tuning of Hugging Face transformers, without Python.",
    mixinStandardHelpOptions = true,
    version = "peft4j 0.1.0",
    synopsisSubcommandLabel = "COMMAND",
    subcommands = {
      TrainCommand.class,
      PredictCommand.class,
      ScoreCommand.class,
      GenerateCommand.class,
      ServeCommand.class,
      MergeCommand.class,
      QuantizeCommand.class,
      ExportCommand.class,
      InspectCommand.class,
      BenchCommand.class,
      BenchCausalCommand.class,
      BenchServeCommand.class,
      DoctorCommand.class,
      ImportCommand.class,
      CompletionCommand.class
    })
public final class Peft {

  private Peft() {}

  public static void main(String[] arguments) {
    if (Charset.defaultCharset().equals(StandardCharsets.US_ASCII)) {
      // LC_ALL=C, as in most containers: Python writes UTF-8 there too, and not question marks
      System.setOut(utf8(FileDescriptor.out));
      System.setErr(utf8(FileDescriptor.err));
    }
    System.exit(run(arguments));
  }

  private static PrintStream utf8(FileDescriptor descriptor) {
    return new PrintStream(new FileOutputStream(descriptor), true, StandardCharsets.UTF_8);
  }

  /** {@return the exit code: 0 for success, 2 for a command line or input that is wrong} */
  static int run(String... arguments) {
    return commandLine().execute(arguments);
  }

  static CommandLine commandLine() {
    CommandLine commandLine = new CommandLine(new Peft());
    ServiceLoader.load(Subcommand.class, Peft.class.getClassLoader())
        .forEach(commandLine::addSubcommand);
    YamlDefaults defaults = new YamlDefaults();
    commandLine.setExecutionExceptionHandler(
        (exception, command, parsed) -> Complaint.about(exception, command));
    commandLine.setParameterExceptionHandler(Complaint::about);
    commandLine.setCaseInsensitiveEnumValuesAllowed(true);
    commandLine.setExecutionStrategy(
        parsed -> {
          CommandLine command = last(parsed).commandSpec().commandLine();
          if (!last(parsed).isUsageHelpRequested() && !last(parsed).isVersionHelpRequested()) {
            Applicability.check(command, defaults::gives);
          }
          return new CommandLine.RunLast().execute(parsed);
        });
    for (CommandLine command : commandLine.getSubcommands().values()) {
      OptionValues.install(command.getCommandSpec());
      GroupedHelp.install(command);
      command.setDefaultValueProvider(defaults);
      command.setCaseInsensitiveEnumValuesAllowed(true);
    }
    return commandLine;
  }

  private static CommandLine.ParseResult last(CommandLine.ParseResult parsed) {
    return parsed.hasSubcommand() ? last(parsed.subcommand()) : parsed;
  }
}
