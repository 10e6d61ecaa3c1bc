package io.peft4j.adapter.target;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import io.peft4j.adapter.regex.PythonRegex;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Predicate;

/**
 * Which modules a config means, as peft has it: a list of names, each matching a module of that
 * name or one whose name ends in it after a dot; or a regular expression for the whole name, in the
 * syntax of Python's {@code re}.
 */
public final class ModuleSelector {

  /** The word that stands for every linear layer but the output head. */
  public static final String ALL_LINEAR = "all-linear";

  private final List<String> names;
  private final String regex;

  /**
   * @throws IllegalArgumentException if not exactly one of the two is given, or the expression is
   *     not one
   */
  private ModuleSelector(List<String> names, String regex) {
    if ((names == null) == (regex == null)) {
      throw new IllegalArgumentException("a module selector is either a list or an expression");
    }
    this.names = names == null ? null : List.copyOf(names);
    if (regex != null) {
      PythonRegex.compile(regex);
    }
    this.regex = regex;
  }

  /** {@return the list, or null} */
  public List<String> names() {
    return names;
  }

  /**
   * {@return the expression, or null; {@value #ALL_LINEAR} stands for every linear layer but the
   * output head}
   */
  public String regex() {
    return regex;
  }

  public static ModuleSelector names(String... names) {
    return names(List.of(names));
  }

  public static ModuleSelector names(List<String> names) {
    return new ModuleSelector(names, null);
  }

  public static ModuleSelector regex(String regex) {
    return new ModuleSelector(null, regex);
  }

  public static ModuleSelector allLinear() {
    return regex(ALL_LINEAR);
  }

  /** {@return whether this stands for every linear layer} */
  public boolean isAllLinear() {
    return ALL_LINEAR.equalsIgnoreCase(regex);
  }

  /** {@return whether one of the list is exactly {@code module}} */
  boolean namesExactly(String module) {
    return names != null && names.contains(module);
  }

  /**
   * {@return whether the list or the expression means a module}
   *
   * @throws IllegalArgumentException from the test, if the expression takes too long
   */
  public Predicate<String> matcher() {
    if (regex != null) {
      return PythonRegex.compile(regex)::matches;
    }
    return module -> names.stream().anyMatch(name -> names(name, module));
  }

  /** {@return whether the list or the expression means {@code module}} */
  public boolean matches(String module) {
    return matcher().test(module);
  }

  /** {@return whether an entry of a list means {@code module}} */
  static boolean names(String entry, String module) {
    return module.equals(entry) || module.endsWith("." + entry);
  }

  /** {@return as a config holds it: a text or an array of texts} */
  public JsonNode toJson() {
    if (regex != null) {
      return JsonNodeFactory.instance.textNode(regex);
    }
    var array = JsonNodeFactory.instance.arrayNode();
    names.forEach(array::add);
    return array;
  }

  /**
   * @param node a text, an array of texts or null
   * @return null for null
   * @throws IllegalArgumentException if it is anything else
   */
  public static ModuleSelector ofJson(String key, JsonNode node) {
    if (node == null || node.isNull()) {
      return null;
    }
    if (node.isTextual()) {
      return regex(node.asText());
    }
    return names(texts(key, node));
  }

  public static List<String> texts(String key, JsonNode node) {
    List<String> texts = new ArrayList<>();
    if (!node.isArray()) {
      throw new IllegalArgumentException("'" + key + "' must be a list of texts, found " + node);
    }
    for (JsonNode element : node) {
      if (!element.isTextual()) {
        throw new IllegalArgumentException("'" + key + "' must be a list of texts, found " + node);
      }
      texts.add(element.asText());
    }
    return texts;
  }

  private List<Object> values() {
    return Arrays.asList(names, regex);
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof ModuleSelector that && values().equals(that.values());
  }

  @Override
  public int hashCode() {
    return values().hashCode();
  }

  @Override
  public String toString() {
    return "ModuleSelector" + values();
  }
}
