package io.peft4j.cli;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import picocli.CommandLine;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;

/** Completions in the words of fish: a {@code complete} line for each command and option. */
final class FishCompletion {

  private FishCompletion() {}

  static String script(CommandLine program) {
    String name = program.getCommandName();
    List<String> lines = new ArrayList<>();
    lines.add("# completions of " + name + " for fish");
    lines.add("complete -c " + name + " -f");
    options(program.getCommandSpec(), name, "__fish_use_subcommand", lines);
    program
        .getSubcommands()
        .forEach(
            (command, line) -> {
              String[] about = line.getCommandSpec().usageMessage().description();
              lines.add(
                  String.format(
                      Locale.ROOT,
                      "complete -c %s -n __fish_use_subcommand -a %s%s",
                      name,
                      command,
                      described(about)));
              String seen = "'__fish_seen_subcommand_from " + command + "'";
              options(line.getCommandSpec(), name, seen, lines);
            });
    return String.join("\n", lines) + "\n";
  }

  private static void options(CommandSpec command, String program, String when, List<String> to) {
    for (OptionSpec option : command.options()) {
      StringBuilder line = new StringBuilder("complete -c " + program + " -n " + when);
      for (String name : option.names()) {
        if (!name.contains("_")) {
          boolean isLong = name.startsWith("--");
          line.append(isLong ? " -l " : " -s ").append(name.substring(isLong ? 2 : 1));
        }
      }
      to.add(line + values(option) + described(option.description()));
    }
  }

  /** What may follow an option: nothing, a file, one of a few words, or anything. */
  private static String values(OptionSpec option) {
    if (option.arity().max() == 0) {
      return "";
    }
    if (option.typeInfo().isEnum()) {
      List<String> words = new ArrayList<>();
      option.completionCandidates().forEach(word -> words.add(word.toLowerCase(Locale.ROOT)));
      return " -x -a " + quoted(String.join(" ", words));
    }
    return option.type() == Path.class ? " -r -F" : " -x";
  }

  private static String described(String[] about) {
    return about.length == 0 ? "" : " -d " + quoted(String.join(" ", about));
  }

  private static String quoted(String text) {
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'";
  }
}
