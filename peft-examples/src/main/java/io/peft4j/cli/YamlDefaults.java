package io.peft4j.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.dataformat.yaml.YAMLFactory;
import com.fasterxml.jackson.dataformat.yaml.YAMLParser;
import io.peft4j.io.JsonErrors;
import io.peft4j.io.Spelling;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import picocli.CommandLine;
import picocli.CommandLine.IDefaultValueProvider;
import picocli.CommandLine.Model.ArgSpec;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.ParameterException;

/**
 * Takes the values of options that are not given from the file that {@code --config} names. Its
 * keys are the options' names without the dashes in front. A value is the text that stands there,
 * whatever YAML would make of it ({@code no}, {@code 0777}, a date); a list or, for options with
 * NAME=VALUE, a mapping is taken element by element; {@code null} is as if the key were not there.
 */
final class YamlDefaults implements IDefaultValueProvider {

  private static final String CONFIG = "--config";

  private final Map<Path, Map<OptionSpec, String>> files = new HashMap<>();

  @Override
  public String defaultValue(ArgSpec argument) {
    return argument instanceof OptionSpec option ? of(option) : null;
  }

  /** {@return whether the file gives a value for an option} */
  boolean gives(OptionSpec option) {
    return of(option) != null;
  }

  private String of(OptionSpec option) {
    Path file = option.longestName().equals(CONFIG) ? null : configOf(option.command());
    return file == null
        ? null
        : files.computeIfAbsent(file, f -> read(option.command(), f)).get(option);
  }

  /** The arguments are looked through beforehand: defaults are asked for before options are set. */
  private static Path configOf(CommandSpec command) {
    CommandLine.ParseResult parsed = command.commandLine().getParseResult();
    var arguments = parsed == null ? null : parsed.originalArgs();
    if (arguments == null) {
      return null;
    }
    for (int i = 0; i < arguments.size(); i++) {
      if (arguments.get(i).equals(CONFIG) && i + 1 < arguments.size()) {
        return Path.of(arguments.get(i + 1));
      }
      if (arguments.get(i).startsWith(CONFIG + "=")) {
        return Path.of(arguments.get(i).substring(CONFIG.length() + 1));
      }
    }
    return null;
  }

  private static Map<OptionSpec, String> read(CommandSpec command, Path file) {
    try (YAMLParser whole = new YAMLFactory().createParser(Files.readAllBytes(file));
        YAMLParser parser = new YAMLFactory().createParser(Files.readAllBytes(file))) {
      while (whole.nextToken() != null) {
        // what is no YAML is said first
      }
      return new Reader(command, file, parser).read();
    } catch (JsonProcessingException e) {
      throw new ParameterException(
          command.commandLine(), file + ": not YAML: " + JsonErrors.sentence(e), e);
    } catch (IOException e) {
      throw new ParameterException(command.commandLine(), "--config: " + Complaint.sentence(e), e);
    }
  }

  private static String key(String option) {
    return option.replaceFirst("^-+", "").replace('-', '_');
  }

  /** Reads one file. */
  private record Reader(CommandSpec command, Path file, YAMLParser parser) {

    Map<OptionSpec, String> read() throws IOException {
      Map<OptionSpec, String> values = new HashMap<>();
      Map<OptionSpec, String> keys = new HashMap<>();
      JsonToken first = parser.nextToken();
      if (first != JsonToken.START_OBJECT) {
        throw wrong("expected a mapping of option names to values");
      }
      while (parser.nextToken() == JsonToken.FIELD_NAME) {
        String key = parser.currentName();
        OptionSpec option = named(key);
        String before = keys.put(option, key);
        if (before != null) {
          throw wrong(
              before.equals(key)
                  ? "'" + key + "' stands there twice"
                  : "'" + before + "' and '" + key + "' are the same option");
        }
        List<String> value = value(key, option);
        if (value != null) {
          values.put(option, OptionValues.encoded(value));
        }
      }
      if (parser.nextToken() != null) {
        throw wrong("expected one document, found another after it");
      }
      return values;
    }

    private ParameterException wrong(String what) {
      return new ParameterException(command.commandLine(), file + ": " + what);
    }

    private OptionSpec named(String key) {
      List<OptionSpec> options =
          command.options().stream()
              .filter(option -> !option.usageHelp() && !option.versionHelp())
              .filter(option -> !option.longestName().equals(CONFIG))
              .toList();
      for (OptionSpec option : options) {
        if (Arrays.stream(option.names()).anyMatch(name -> key(name).equals(key(key)))) {
          return option;
        }
      }
      List<String> near =
          Spelling.meant(
              key(key), options.stream().map(option -> key(option.longestName())).toList());
      throw wrong(
          "'"
              + key
              + "' is no option of "
              + command.name()
              + (near.isEmpty() ? "" : "; near: " + String.join(", ", near)));
    }

    /** {@return the values, or null for none} */
    private List<String> value(String key, OptionSpec option) throws IOException {
      JsonToken token = parser.nextToken();
      boolean map = Map.class.isAssignableFrom(option.type());
      boolean several = OptionValues.isMultiValue(option);
      if (token == JsonToken.VALUE_NULL) {
        return null;
      }
      if (token == JsonToken.START_OBJECT) {
        if (!map) {
          throw wrong("'" + key + "': expected a value" + orList(several) + ", found a mapping");
        }
        return notEmpty(key, option, entries(key));
      }
      if (token == JsonToken.START_ARRAY) {
        if (!several) {
          throw wrong("'" + key + "': expected one value, found a list");
        }
        return notEmpty(key, option, elements(key));
      }
      String text = scalar(key, token);
      if (several) {
        return OptionValues.split(text, option);
      }
      return List.of(isBoolean(option) ? truth(key, text) : text);
    }

    private static String orList(boolean several) {
      return several ? " or a list" : "";
    }

    /** What is empty by default may be empty; what is not would come to mean something else. */
    private List<String> notEmpty(String key, OptionSpec option, List<String> values) {
      boolean emptyByDefault =
          Map.class.isAssignableFrom(option.type()) || option.initialValue() != null;
      if (values.isEmpty() && !emptyByDefault) {
        throw wrong("'" + key + "': expected at least one value, found an empty list");
      }
      return values.isEmpty() ? null : values;
    }

    private List<String> elements(String key) throws IOException {
      List<String> values = new ArrayList<>();
      for (JsonToken token = parser.nextToken();
          token != JsonToken.END_ARRAY;
          token = parser.nextToken()) {
        values.add(element(key, token));
      }
      return values;
    }

    private List<String> entries(String key) throws IOException {
      List<String> values = new ArrayList<>();
      List<String> names = new ArrayList<>();
      while (parser.nextToken() == JsonToken.FIELD_NAME) {
        String name = parser.currentName();
        if (names.contains(name)) {
          throw wrong("'" + key + "': '" + name + "' stands there twice");
        }
        if (name.contains("=")) {
          throw wrong("'" + key + "': '" + name + "': a name may hold no '='");
        }
        names.add(name);
        values.add(name + "=" + element(key + "." + name, parser.nextToken()));
      }
      return values;
    }

    private String element(String key, JsonToken token) throws IOException {
      if (token == JsonToken.VALUE_NULL || token.isStructStart()) {
        throw wrong(
            "'"
                + key
                + "': expected values in it, found "
                + (token == JsonToken.VALUE_NULL
                    ? "null"
                    : token == JsonToken.START_OBJECT ? "a mapping" : "a list"));
      }
      String text = scalar(key, token);
      if (text.isEmpty()) {
        throw wrong("'" + key + "': expected values in it, found an empty one");
      }
      return text;
    }

    private String scalar(String key, JsonToken token) throws IOException {
      if (!token.isScalarValue() || parser.isCurrentAlias()) {
        throw wrong("'" + key + "': aliases are not supported; write the value");
      }
      return parser.getText();
    }

    private static boolean isBoolean(OptionSpec option) {
      return option.type() == boolean.class || option.type() == Boolean.class;
    }

    /** A flag's value may be written in each of YAML's ways. */
    private String truth(String key, String text) {
      if (text.matches("(?i)true|yes|on")) {
        return "true";
      }
      if (text.matches("(?i)false|no|off")) {
        return "false";
      }
      throw wrong("'" + key + "': expected true or false, found '" + text + "'");
    }
  }
}
