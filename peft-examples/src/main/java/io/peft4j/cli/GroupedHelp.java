package io.peft4j.cli;

import java.lang.reflect.Field;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import picocli.CommandLine;
import picocli.CommandLine.Help;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Model.UsageMessageSpec;

/**
 * Help whose options stand under the {@link Heading} of the class that declares them. A name that
 * differs from another in its underscores alone is taken, but not shown.
 */
final class GroupedHelp {

  private static final String OWN = "Options";

  private GroupedHelp() {}

  static void install(CommandLine command) {
    command.getHelpSectionMap().put(UsageMessageSpec.SECTION_KEY_OPTION_LIST, GroupedHelp::options);
  }

  private static String options(Help help) {
    Map<String, List<OptionSpec>> groups = new LinkedHashMap<>();
    for (OptionSpec option : help.commandSpec().options()) {
      groups.computeIfAbsent(heading(option), heading -> new ArrayList<>()).add(shown(option));
    }
    List<OptionSpec> own = groups.remove(OWN);
    if (own != null) {
      groups.put(OWN, own); // --json, --help and the like come last
    }
    StringBuilder text = new StringBuilder();
    groups.forEach(
        (heading, options) -> {
          Help.Layout layout = help.createDefaultLayout(options, List.of(), help.colorScheme());
          layout.addOptions(options, help.parameterLabelRenderer());
          text.append(System.lineSeparator()).append(heading).append(':');
          text.append(System.lineSeparator()).append(layout);
        });
    return text.toString();
  }

  private static String heading(OptionSpec option) {
    if (option.userObject() instanceof Field field) {
      Heading heading = field.getDeclaringClass().getAnnotation(Heading.class);
      return heading == null ? OWN : heading.value();
    }
    return OWN;
  }

  private static OptionSpec shown(OptionSpec option) {
    List<String> names = List.of(option.names());
    String[] shown =
        names.stream()
            .filter(name -> !name.contains("_") || !names.contains(name.replace('_', '-')))
            .toArray(String[]::new);
    OptionSpec copy =
        OptionSpec.builder(option).names(shown).description(option.description()).build();
    CommandSpec.create().addOption(copy); // one that belongs to no command cannot be shown
    return copy;
  }
}
