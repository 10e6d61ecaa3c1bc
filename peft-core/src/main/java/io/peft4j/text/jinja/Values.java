package io.peft4j.text.jinja;

import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.StringJoiner;

/** Values as Python sees them: their truth, their text, what they consist of. */
final class Values {

  private Values() {}

  static boolean truth(Object value) {
    if (value == null || value instanceof Undefined) {
      return false;
    }
    if (value instanceof Boolean bool) {
      return bool;
    }
    if (value instanceof Number number) {
      return number.doubleValue() != 0;
    }
    if (value instanceof String string) {
      return !string.isEmpty();
    }
    if (value instanceof Collection<?> items) {
      return !items.isEmpty();
    }
    return !(value instanceof Map<?, ?> map) || !map.isEmpty();
  }

  /** {@return the text that printing gives} */
  static String text(Object value) {
    return value instanceof String string ? string : value instanceof Undefined ? "" : repr(value);
  }

  /** {@return Python's {@code repr}} */
  static String repr(Object value) {
    Budget.step();
    if (value == null || value instanceof Undefined) {
      return value == null ? "None" : "Undefined";
    }
    if (value instanceof Boolean bool) {
      return bool ? "True" : "False";
    }
    if (value instanceof String string) {
      return quoted(string);
    }
    if (value instanceof Double || value instanceof Float) {
      return number(((Number) value).doubleValue());
    }
    if (value instanceof Map<?, ?> map) {
      StringJoiner joined = new StringJoiner(", ", "{", "}");
      map.forEach((key, item) -> joined.add(repr(key) + ": " + repr(item)));
      return Budget.made(joined.toString());
    }
    if (value instanceof Collection<?> items) {
      StringJoiner joined = new StringJoiner(", ", "[", "]");
      items.forEach(item -> joined.add(Budget.made(repr(item))));
      return joined.toString();
    }
    if (value instanceof Number) {
      return value.toString();
    }
    throw new TemplateException("a function or namespace has no text");
  }

  private static String quoted(String string) {
    Budget.make(string.length());
    char quote = string.contains("'") && !string.contains("\"") ? '"' : '\'';
    StringBuilder text = new StringBuilder().append(quote);
    for (char c : string.toCharArray()) {
      switch (c) {
        case '\n' -> text.append("\\n");
        case '\r' -> text.append("\\r");
        case '\t' -> text.append("\\t");
        case '\\' -> text.append("\\\\");
        default -> text.append(c == quote ? "\\" : "").append(c);
      }
    }
    return text.append(quote).toString();
  }

  /** {@return a float as Python writes it} */
  static String number(double value) {
    if (Double.isNaN(value) || Double.isInfinite(value)) {
      return Double.isNaN(value) ? "nan" : value > 0 ? "inf" : "-inf";
    }
    double size = Math.abs(value);
    if (size != 0 && (size < 1e-4 || size >= 1e16)) {
      String text = Double.toString(value).replace(".0E", "E").replace("E", "e");
      return text.replaceFirst("e(\\d)", "e+$1").replaceFirst("e([-+])(\\d)$", "e$10$2");
    }
    String plain = new BigDecimal(Double.toString(value)).toPlainString();
    return plain.contains(".") ? plain : plain + ".0";
  }

  /** {@return what a loop goes over: the items of a list, the keys of a map, the characters} */
  static List<Object> list(Object value) {
    if (value instanceof Undefined) {
      return List.of();
    }
    if (value instanceof Collection<?> items) {
      Budget.make(items.size());
      return new ArrayList<>(items);
    }
    if (value instanceof Map<?, ?> map) {
      return new ArrayList<>(map.keySet());
    }
    if (value instanceof String string) {
      Budget.make(4L * string.length()); // each a string of its own
      List<Object> characters = new ArrayList<>();
      string.codePoints().forEach(code -> characters.add(Character.toString(code)));
      return characters;
    }
    throw new TemplateException("expected something to go over, found " + kind(value));
  }

  static long length(Object value) {
    if (value instanceof String string) {
      Budget.scan(string);
      return string.codePointCount(0, string.length());
    }
    if (value instanceof Map<?, ?> map) {
      return map.size();
    }
    return value instanceof Collection<?> items ? items.size() : list(value).size();
  }

  /** {@return how a message calls the kind of a value} */
  static String kind(Object value) {
    if (value == null) {
      return "none";
    }
    if (value instanceof Undefined undefined) {
      return "nothing (" + undefined.problem() + ")";
    }
    return value instanceof String
        ? "a string"
        : value instanceof Boolean
            ? "a boolean"
            : value instanceof Number
                ? "a number"
                : value instanceof Map
                    ? "a map"
                    : value instanceof Collection ? "a list" : "a function";
  }

  /** {@return Python's {@code ==}} */
  static boolean same(Object a, Object b) {
    Budget.step();
    if (a instanceof Undefined || b instanceof Undefined) {
      return a instanceof Undefined && b instanceof Undefined;
    }
    if (isNumber(a) && isNumber(b)) {
      return Operations.number(a).doubleValue() == Operations.number(b).doubleValue();
    }
    if (a instanceof List<?> left && b instanceof List<?> right) {
      boolean same = left.size() == right.size();
      for (int i = 0; same && i < left.size(); i++) {
        same = same(left.get(i), right.get(i));
      }
      return same;
    }
    if (a instanceof Map<?, ?> left && b instanceof Map<?, ?> right) {
      return left.size() == right.size()
          && left.entrySet().stream()
              .allMatch(
                  entry ->
                      right.containsKey(entry.getKey())
                          && same(entry.getValue(), right.get(entry.getKey())));
    }
    if (a instanceof String text) {
      Budget.scan(text);
    }
    return a == null ? b == null : a.equals(b);
  }

  private static boolean isNumber(Object value) {
    return value instanceof Number || value instanceof Boolean;
  }
}
