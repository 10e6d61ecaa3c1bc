package io.peft4j.cli;

import java.lang.reflect.Field;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import picocli.CommandLine;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.ParameterException;

/** Refuses options that would do nothing beside the others, as {@link AppliesTo} declares it. */
final class Applicability {

  private final CommandSpec command;
  private final Predicate<OptionSpec> fromFile;
  private final Map<Class<?>, List<AppliesTo>> ofMixins = new HashMap<>();

  private Applicability(CommandSpec command, Predicate<OptionSpec> fromFile) {
    this.command = command;
    this.fromFile = fromFile;
    collect(command.userObject().getClass(), List.of());
  }

  /**
   * Checks the options that are given; what an option is by default is not.
   *
   * @param fromFile tells which options a file gives
   * @throws ParameterException naming the first that would do nothing, and why
   */
  static void check(CommandLine command, Predicate<OptionSpec> fromFile) {
    Applicability rules = new Applicability(command.getCommandSpec(), fromFile);
    for (OptionSpec option : command.getCommandSpec().options()) {
      boolean asks = asks(option.getValue()) || option.type() == Boolean.class; // --no-… asks too
      if (rules.given(option) && asks) {
        rules.check(option);
      }
    }
  }

  /** A mixin's conditions go for what it holds, mixins within it among that. */
  private void collect(Class<?> type, List<AppliesTo> inherited) {
    for (Class<?> each = type; each != null; each = each.getSuperclass()) {
      ofMixins.put(each, inherited);
      for (Field field : each.getDeclaredFields()) {
        if (field.isAnnotationPresent(Mixin.class)) {
          List<AppliesTo> all = new ArrayList<>(inherited);
          all.addAll(List.of(field.getAnnotationsByType(AppliesTo.class)));
          collect(field.getType(), all);
        }
      }
    }
  }

  private boolean given(OptionSpec option) {
    return command.commandLine().getParseResult().hasMatchedOption(option) || fromFile.test(option);
  }

  private void check(OptionSpec option) {
    if (!(option.userObject() instanceof Field field)) {
      return; // --help and --version
    }
    List<AppliesTo> rules =
        new ArrayList<>(ofMixins.getOrDefault(field.getDeclaringClass(), List.of()));
    rules.addAll(List.of(field.getAnnotationsByType(AppliesTo.class)));
    for (AppliesTo rule : rules) {
      for (String condition : rule.unless()) {
        if (holds(condition)) {
          refuse(option, "does nothing beside " + found(condition));
        }
      }
      List<String> needs =
          Arrays.stream(rule.needs()).filter(condition -> option(condition) != null).toList();
      if (!needs.isEmpty() && needs.stream().noneMatch(this::holds)) {
        refuse(option, missing(needs));
      }
    }
  }

  private void refuse(OptionSpec option, String why) {
    throw new ParameterException(command.commandLine(), asGiven(command, option) + " " + why);
  }

  /** {@return the name that the command line has an option by; else its longest} */
  static String asGiven(CommandSpec command, OptionSpec option) {
    CommandLine.ParseResult parsed = command.commandLine().getParseResult();
    for (String argument : parsed.originalArgs()) {
      for (String name : option.names()) {
        if (argument.equals(name) || argument.startsWith(name + "=")) {
          return name;
        }
        if (option.negatable()) {
          String negative = command.negatableOptionTransformer().makeNegative(name, command);
          if (argument.equals(negative)) {
            return negative;
          }
        }
      }
    }
    return option.longestName();
  }

  private String missing(List<String> needs) {
    if (needs.size() == 1 && needs.get(0).contains("=")) {
      OptionSpec other = option(needs.get(0));
      List<String> values = texts(other.getValue());
      String wanted = shown(needs.get(0));
      return values.isEmpty()
          ? "does nothing without " + wanted
          : "does nothing with "
              + name(needs.get(0))
              + " "
              + String.join(",", values)
              + "; it needs "
              + wanted;
    }
    return "does nothing without "
        + needs.stream().map(Applicability::shown).collect(Collectors.joining(" or "));
  }

  /** A condition that holds, in the words of a command line. */
  private String found(String condition) {
    return condition.contains("=")
        ? name(condition) + " " + String.join(",", texts(option(condition).getValue()))
        : condition;
  }

  private static String shown(String condition) {
    return condition.replaceFirst("=", " ").replace("|", " or ");
  }

  private static String name(String condition) {
    return condition.replaceFirst("=.*", "");
  }

  private OptionSpec option(String condition) {
    return command.findOption(name(condition));
  }

  private boolean holds(String condition) {
    OptionSpec option = option(condition);
    if (option == null) {
      return false;
    }
    if (!condition.contains("=")) {
      return asks(option.getValue());
    }
    List<String> wanted = List.of(condition.substring(condition.indexOf('=') + 1).split("\\|"));
    return texts(option.getValue()).stream().anyMatch(wanted::contains);
  }

  /** Whether a value asks for something to be done. */
  static boolean asks(Object value) {
    if (value == null || Boolean.FALSE.equals(value)) {
      return false;
    }
    if (value instanceof Number number) {
      return number.doubleValue() > 0;
    }
    return !(value instanceof Enum<?> && texts(value).get(0).matches("no|off|none|default"));
  }

  /** {@return the values as users write them} */
  private static List<String> texts(Object value) {
    if (value == null) {
      return List.of();
    }
    if (value instanceof Collection<?> several) {
      return several.stream().flatMap(each -> texts(each).stream()).toList();
    }
    String text = value.toString();
    return List.of(value instanceof Path ? text : text.toLowerCase(Locale.ROOT).replace('_', '-'));
  }
}
