package io.peft4j.examples.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import io.peft4j.io.JsonErrors;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Iterator;
import java.util.Map;
import java.util.StringJoiner;
import picocli.CommandLine;
import picocli.CommandLine.IDefaultValueProvider;
import picocli.CommandLine.Model.ArgSpec;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.ParameterException;

/**
 * Takes the values of options that are not given from the file that {@code --config} names. Its
 * keys are the options' names without the dashes in front.
 */
final class YamlDefaults implements IDefaultValueProvider {

  private final Map<Path, Map<String, String>> files = new HashMap<>();

  @Override
  public String defaultValue(ArgSpec argument) {
    if (!(argument instanceof OptionSpec option) || isConfig(option)) {
      return null;
    }
    Path file = configOf(option.command());
    if (file == null) {
      return null;
    }
    Map<String, String> values = files.computeIfAbsent(file, f -> read(option.command(), f));
    for (String name : option.names()) {
      String value = values.get(key(name));
      if (value != null) {
        return value;
      }
    }
    return null;
  }

  private static boolean isConfig(OptionSpec option) {
    return option.longestName().equals("--config");
  }

  /** The arguments are looked through beforehand: defaults are asked for before options are set. */
  private static Path configOf(CommandSpec command) {
    CommandLine.ParseResult parsed = command.commandLine().getParseResult();
    var arguments = parsed == null ? null : parsed.originalArgs();
    if (arguments == null) {
      return null;
    }
    for (int i = 0; i < arguments.size(); i++) {
      if (arguments.get(i).equals("--config") && i + 1 < arguments.size()) {
        return Path.of(arguments.get(i + 1));
      }
      if (arguments.get(i).startsWith("--config=")) {
        return Path.of(arguments.get(i).substring("--config=".length()));
      }
    }
    return null;
  }

  private static String key(String option) {
    return option.replaceFirst("^-+", "").replace('-', '_');
  }

  private static Map<String, String> read(CommandSpec command, Path file) {
    try {
      JsonNode yaml = new YAMLMapper().readTree(Files.readAllBytes(file));
      if (!yaml.isObject()) {
        throw new ParameterException(
            command.commandLine(), file + ": expected a mapping of option names to values");
      }
      Map<String, String> values = new HashMap<>();
      for (Map.Entry<String, JsonNode> entry : yaml.properties()) {
        String key = key(entry.getKey());
        if (command.options().stream().noneMatch(option -> names(option, key))) {
          throw new ParameterException(
              command.commandLine(),
              file + ": '" + entry.getKey() + "' is no option of " + command.name());
        }
        values.put(key, text(entry.getValue()));
      }
      return values;
    } catch (JsonProcessingException e) {
      throw new ParameterException(
          command.commandLine(), file + ": not YAML: " + JsonErrors.sentence(e), e);
    } catch (IOException e) {
      throw new ParameterException(command.commandLine(), "--config: " + Complaint.sentence(e), e);
    }
  }

  private static boolean names(OptionSpec option, String key) {
    for (String name : option.names()) {
      if (key(name).equals(key)) {
        return true;
      }
    }
    return false;
  }

  private static String text(JsonNode value) {
    if (!value.isArray()) {
      return value.asText();
    }
    StringJoiner joined = new StringJoiner(",");
    for (Iterator<JsonNode> elements = value.elements(); elements.hasNext(); ) {
      joined.add(elements.next().asText());
    }
    return joined.toString();
  }
}
