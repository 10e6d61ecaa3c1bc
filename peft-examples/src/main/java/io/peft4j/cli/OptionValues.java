package io.peft4j.cli;

import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Stack;
import java.util.stream.Collectors;
import picocli.CommandLine.IParameterPreprocessor;
import picocli.CommandLine.Model.ArgSpec;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;

/**
 * Brings values of a file to options as they are. Picocli takes a default as one text, in which it
 * replaces {@code ${…}} and which it splits at commas; so what comes from a file is sent in a form
 * of its own, and commas separate on the command line only.
 */
final class OptionValues implements IParameterPreprocessor {

  private static final String MARK = "\u0001";
  private static final String SEPARATOR = "\u0002";
  private static final String DOLLAR = "\u0003";

  private final boolean commas;

  private OptionValues(boolean commas) {
    this.commas = commas;
  }

  /** {@return {@code values} as a text that {@link #preprocess} takes apart} */
  static String encoded(List<String> values) {
    return values.stream()
        .map(value -> value.replace("$", DOLLAR))
        .collect(Collectors.joining(SEPARATOR, MARK, ""));
  }

  /** Makes the options of {@code command} take both forms; their order stays. */
  static void install(CommandSpec command) {
    for (OptionSpec option : List.copyOf(command.options())) {
      boolean commas = option.splitRegex().equals(",");
      OptionSpec.Builder builder =
          OptionSpec.builder(option).preprocessor(new OptionValues(commas));
      if (isMultiValue(option)) {
        builder.splitRegex(SEPARATOR).splitRegexSynopsisLabel(commas ? "," : "");
      }
      command.remove(option);
      command.addOption(builder.build());
    }
    command.parser().splitQuotedStrings(true);
  }

  /** {@return whether an option takes several values} */
  static boolean isMultiValue(ArgSpec option) {
    Class<?> type = option.type();
    return type.isArray()
        || Collection.class.isAssignableFrom(type)
        || Map.class.isAssignableFrom(type);
  }

  /** {@return the values in a text, where commas outside of quotes separate those of an option} */
  static List<String> split(String text, ArgSpec option) {
    return option.preprocessor() instanceof OptionValues values && values.commas
        ? List.of(separated(text).split(SEPARATOR, -1))
        : List.of(text);
  }

  @Override
  public boolean preprocess(
      Stack<String> arguments, CommandSpec command, ArgSpec option, Map<String, Object> info) {
    if (!arguments.isEmpty() && arguments.peek().startsWith(MARK)) {
      arguments.push(arguments.pop().substring(MARK.length()).replace(DOLLAR, "$"));
    } else if (!arguments.isEmpty() && commas) {
      arguments.push(separated(arguments.pop()));
    }
    return false;
  }

  private static String separated(String text) {
    StringBuilder separated = new StringBuilder();
    boolean quoted = false;
    for (char c : text.toCharArray()) {
      quoted ^= c == '"';
      separated.append(c == ',' && !quoted ? SEPARATOR : String.valueOf(c));
    }
    return separated.toString();
  }
}
