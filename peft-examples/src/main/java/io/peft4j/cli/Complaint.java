package io.peft4j.cli;

import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import picocli.CommandLine;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.UnmatchedArgumentException;

/**
 * Says what is wrong in one sentence; {@code PEFT_DEBUG} in the environment adds where it was
 * noticed.
 */
final class Complaint {

  private Complaint() {}

  /** About a command line; {@return the exit code} */
  static int about(ParameterException exception, String[] arguments) {
    CommandLine command = exception.getCommandLine();
    if (command.getParent() == null && arguments.length == 0) {
      command.usage(command.getErr());
      return CommandLine.ExitCode.USAGE;
    }
    List<String> near =
        exception instanceof UnmatchedArgumentException unmatched
            ? unmatched.getSuggestions()
            : List.of();
    String name = command.getCommandSpec().qualifiedName();
    say(
        command,
        exception.getMessage()
            + (near.isEmpty() ? "" : "; near: " + String.join(", ", near))
            + "; see "
            + name
            + " --help",
        exception);
    return CommandLine.ExitCode.USAGE;
  }

  /** About a command that was run; {@return the exit code} */
  static int about(Exception exception, CommandLine command) {
    Exception told = exception instanceof UncheckedIOException io ? io.getCause() : exception;
    say(command, sentence(told), exception);
    return told instanceof RuntimeException
        ? CommandLine.ExitCode.USAGE
        : CommandLine.ExitCode.SOFTWARE;
  }

  private static void say(CommandLine command, String sentence, Exception exception) {
    PrintWriter err = command.getErr();
    err.println(command.getCommandSpec().qualifiedName() + ": " + sentence);
    if (System.getenv("PEFT_DEBUG") != null) {
      exception.printStackTrace(err);
    }
    err.flush();
  }

  /** The JDK's messages about files are often the bare name. */
  static String sentence(Exception exception) {
    String message = exception.getMessage();
    if (message == null || message.isBlank()) {
      return exception.toString();
    }
    if (exception instanceof NoSuchFileException e && e.getReason() == null) {
      return message + ": no such file or folder";
    }
    if (exception instanceof AccessDeniedException e && e.getReason() == null) {
      return message + ": permission denied";
    }
    if (exception instanceof FileAlreadyExistsException e && e.getReason() == null) {
      return Files.isDirectory(Path.of(message))
          ? message + ": exists already"
          : message + ": expected a folder, found a file";
    }
    if (exception instanceof FileSystemException e && message.equals(e.getFile())) {
      return message + ": " + exception.getClass().getSimpleName();
    }
    return message;
  }
}
