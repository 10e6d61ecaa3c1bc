package io.peft4j.text.jinja;

import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.BiPredicate;
import java.util.function.Predicate;

/** What follows {@code is}. */
final class Tests {

  /** Of a value and the test's arguments. */
  private static final Map<String, BiPredicate<Object, List<Object>>> ALL = all();

  private Tests() {}

  static boolean knows(String name) {
    return ALL.containsKey(name);
  }

  static boolean apply(String name, Object value, List<Object> arguments) {
    return ALL.get(name).test(value, arguments);
  }

  private static Map<String, BiPredicate<Object, List<Object>>> all() {
    Map<String, BiPredicate<Object, List<Object>>> all = new LinkedHashMap<>();
    ofValue(all, "defined", value -> !(value instanceof Undefined));
    ofValue(all, "undefined", value -> value instanceof Undefined);
    ofValue(all, "none", value -> value == null);
    ofValue(all, "string", value -> value instanceof String);
    ofValue(all, "mapping", value -> value instanceof Map);
    ofValue(all, "sequence", Tests::isSequence);
    ofValue(all, "iterable", Tests::isSequence);
    ofValue(all, "number", value -> value instanceof Number || value instanceof Boolean);
    ofValue(all, "integer", value -> value instanceof Number n && !Operations.isFloat(n));
    ofValue(all, "float", value -> value instanceof Number n && Operations.isFloat(n));
    ofValue(all, "boolean", value -> value instanceof Boolean);
    ofValue(all, "true", Boolean.TRUE::equals);
    ofValue(all, "false", Boolean.FALSE::equals);
    ofValue(all, "callable", value -> value instanceof Template.Function);
    ofValue(all, "odd", value -> Math.floorMod(Operations.index(value), 2) == 1);
    ofValue(all, "even", value -> Math.floorMod(Operations.index(value), 2) == 0);
    ofValue(
        all, "lower", value -> value instanceof String s && s.equals(s.toLowerCase(Locale.ROOT)));
    ofValue(
        all, "upper", value -> value instanceof String s && s.equals(s.toUpperCase(Locale.ROOT)));
    ofTwo(
        all,
        List.of("divisibleby"),
        (a, b) -> Operations.compare("==", Operations.arithmetic("%", a, b), 0L));
    ofTwo(all, List.of("in"), (item, container) -> Operations.contains(container, item));
    ofTwo(all, List.of("eq", "equalto", "=="), Values::same);
    ofTwo(all, List.of("ne", "!="), (a, b) -> !Values.same(a, b));
    ofTwo(all, List.of("lt", "lessthan", "<"), (a, b) -> Operations.order(a, b) < 0);
    ofTwo(all, List.of("le", "<="), (a, b) -> Operations.order(a, b) <= 0);
    ofTwo(all, List.of("gt", "greaterthan", ">"), (a, b) -> Operations.order(a, b) > 0);
    ofTwo(all, List.of("ge", ">="), (a, b) -> Operations.order(a, b) >= 0);
    ofTwo(all, List.of("sameas"), (a, b) -> a == b || (a != null && a.equals(b)));
    return all;
  }

  private static void ofValue(
      Map<String, BiPredicate<Object, List<Object>>> all, String name, Predicate<Object> test) {
    all.put(name, (value, arguments) -> test.test(value));
  }

  private static void ofTwo(
      Map<String, BiPredicate<Object, List<Object>>> all,
      List<String> names,
      BiPredicate<Object, Object> test) {
    names.forEach(
        name -> all.put(name, (value, arguments) -> test.test(value, argument(name, arguments))));
  }

  private static Object argument(String test, List<Object> arguments) {
    if (arguments.isEmpty()) {
      throw new TemplateException("test '" + test + "' lacks its argument");
    }
    return arguments.get(0);
  }

  private static boolean isSequence(Object value) {
    return value instanceof Collection
        || value instanceof Map
        || value instanceof String
        || value instanceof Undefined;
  }
}
