package io.peft4j.cli;

import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.AutoComplete;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code peft completion}: what a shell needs to complete this command line. */
@Command(
    name = "completion",
    description = {
      "Print a script that lets a shell complete commands and options.",
      "bash and zsh: source <(peft completion bash); fish: peft completion fish | source"
    },
    mixinStandardHelpOptions = true)
final class CompletionCommand implements Callable<Integer> {

  /** The shells there are scripts for. */
  enum Shell {
    BASH,
    ZSH,
    FISH
  }

  @Spec private CommandSpec spec;

  @Parameters(paramLabel = "SHELL", description = "bash, zsh or fish.")
  private Shell shell;

  @Override
  public Integer call() {
    CommandLine peft = spec.root().commandLine();
    // picocli's script is for bash, and makes zsh take it
    System.out.print(shell == Shell.FISH ? FishCompletion.script(peft) : bash(peft));
    return 0;
  }

  /** Picocli numbers the script's variables by the user's locale, whose digits no shell takes. */
  private static String bash(CommandLine peft) {
    Locale users = Locale.getDefault(Locale.Category.FORMAT);
    Locale.setDefault(Locale.Category.FORMAT, Locale.ROOT);
    try {
      return AutoComplete.bash(peft.getCommandName(), peft);
    } finally {
      Locale.setDefault(Locale.Category.FORMAT, users);
    }
  }
}
