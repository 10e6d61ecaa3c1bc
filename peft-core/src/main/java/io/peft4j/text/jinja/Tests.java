package io.peft4j.text.jinja;

import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** What follows {@code is}. */
final class Tests {

  private static final Set<String> KNOWN =
      Set.of(
          "defined",
          "undefined",
          "none",
          "string",
          "mapping",
          "sequence",
          "iterable",
          "number",
          "integer",
          "float",
          "boolean",
          "true",
          "false",
          "callable",
          "odd",
          "even",
          "divisibleby",
          "in",
          "eq",
          "equalto",
          "==",
          "ne",
          "!=",
          "lt",
          "lessthan",
          "<",
          "le",
          "<=",
          "gt",
          "greaterthan",
          ">",
          "ge",
          ">=",
          "sameas",
          "lower",
          "upper");

  private Tests() {}

  static boolean knows(String name) {
    return KNOWN.contains(name);
  }

  static boolean apply(String name, Object value, List<Object> arguments) {
    return switch (name) {
      case "defined" -> !(value instanceof Undefined);
      case "undefined" -> value instanceof Undefined;
      case "none" -> value == null;
      case "string" -> value instanceof String;
      case "mapping" -> value instanceof Map;
      case "sequence", "iterable" ->
          value instanceof Collection
              || value instanceof Map
              || value instanceof String
              || value instanceof Undefined;
      case "number" -> value instanceof Number || value instanceof Boolean;
      case "integer" -> value instanceof Number n && !Operations.isFloat(n);
      case "float" -> value instanceof Number n && Operations.isFloat(n);
      case "boolean" -> value instanceof Boolean;
      case "true" -> Boolean.TRUE.equals(value);
      case "false" -> Boolean.FALSE.equals(value);
      case "callable" -> value instanceof Template.Function;
      case "odd" -> Math.floorMod(Operations.index(value), 2) == 1;
      case "even" -> Math.floorMod(Operations.index(value), 2) == 0;
      case "divisibleby" -> Operations.index(value) % Operations.index(argument(arguments)) == 0;
      case "in" -> Operations.contains(argument(arguments), value);
      case "eq", "equalto", "==" -> Values.same(value, argument(arguments));
      case "ne", "!=" -> !Values.same(value, argument(arguments));
      case "lt", "lessthan", "<" -> Operations.order(value, argument(arguments)) < 0;
      case "le", "<=" -> Operations.order(value, argument(arguments)) <= 0;
      case "gt", "greaterthan", ">" -> Operations.order(value, argument(arguments)) > 0;
      case "ge", ">=" -> Operations.order(value, argument(arguments)) >= 0;
      case "sameas" ->
          value == argument(arguments) || (value != null && value.equals(argument(arguments)));
      case "lower" -> value instanceof String text && text.equals(text.toLowerCase());
      case "upper" -> value instanceof String text && text.equals(text.toUpperCase());
      default -> throw new TemplateException("no test '" + name + "'");
    };
  }

  private static Object argument(List<Object> arguments) {
    if (arguments.isEmpty()) {
      throw new TemplateException("a test lacks its argument");
    }
    return arguments.get(0);
  }
}
