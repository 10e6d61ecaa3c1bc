package io.peft4j.text.jinja;

import io.peft4j.text.jinja.Template.Attributes;
import io.peft4j.text.jinja.Template.Function;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** What operators do, as in Python. */
final class Operations {

  private Operations() {}

  static Long integer(String digits) {
    try {
      return Long.valueOf(digits);
    } catch (NumberFormatException e) {
      throw new TemplateException("the number " + digits + " is too large");
    }
  }

  static Number number(Object value) {
    if (value instanceof Boolean bool) {
      return bool ? 1L : 0L;
    }
    if (value instanceof Number number) {
      return number;
    }
    throw value instanceof Undefined undefined
        ? undefined.error()
        : new TemplateException("expected a number, found " + Values.kind(value));
  }

  static boolean isFloat(Number number) {
    return number instanceof Double || number instanceof Float;
  }

  static int index(Object value) {
    Number number = number(value);
    if (isFloat(number)) {
      throw new TemplateException("expected a whole number, found " + number);
    }
    return (int) Math.max(-Integer.MAX_VALUE, Math.min(Integer.MAX_VALUE, number.longValue()));
  }

  static Object arithmetic(String operator, Object a, Object b) {
    if (operator.equals("+") && a instanceof String left && b instanceof String right) {
      return joined(left, right);
    }
    if (operator.equals("+") && a instanceof List<?> left && b instanceof List<?> right) {
      Budget.make((long) left.size() + right.size());
      List<Object> all = new ArrayList<>(left);
      all.addAll(right);
      return all;
    }
    if (operator.equals("*") && a instanceof String text && b instanceof Number) {
      int times = Math.max(0, index(b));
      Budget.make((long) text.length() * times);
      return text.repeat(times);
    }
    if (operator.equals("%") && a instanceof String text) {
      return Strings.format(text, b instanceof List<?> list ? new ArrayList<>(list) : List.of(b));
    }
    if (a instanceof String || b instanceof String || a instanceof List || b instanceof List) {
      Undefined missing =
          a instanceof Undefined u ? u : b instanceof Undefined other ? other : null;
      throw missing != null
          ? missing.error()
          : new TemplateException(
              "'" + operator + "' of " + Values.kind(a) + " and " + Values.kind(b));
    }
    Number x = number(a);
    Number y = number(b);
    return isFloat(x) || isFloat(y) || operator.equals("/")
        ? ofFloats(operator, x.doubleValue(), y.doubleValue())
        : ofIntegers(operator, x.longValue(), y.longValue());
  }

  static String joined(String a, String b) {
    Budget.make((long) a.length() + b.length());
    return a + b;
  }

  private static Object ofFloats(String operator, double x, double y) {
    if (y == 0 && (operator.endsWith("/") || operator.equals("%"))) {
      throw new TemplateException("division by zero");
    }
    return switch (operator) {
      case "+" -> x + y;
      case "-" -> x - y;
      case "*" -> x * y;
      case "/" -> x / y;
      case "//" -> Math.floor(x / y);
      case "%" -> x - Math.floor(x / y) * y;
      default -> Math.pow(x, y);
    };
  }

  private static Object ofIntegers(String operator, long x, long y) {
    try {
      return switch (operator) {
        case "+" -> Math.addExact(x, y);
        case "-" -> Math.subtractExact(x, y);
        case "*" -> Math.multiplyExact(x, y);
        case "//" -> Math.floorDiv(x, y);
        case "%" -> Math.floorMod(x, y);
        default -> y < 0 ? (Object) Math.pow(x, y) : (Object) Math.round(Math.pow(x, y));
      };
    } catch (ArithmeticException e) {
      throw new TemplateException(y == 0 ? "division by zero" : "a number is too large");
    }
  }

  static Boolean compare(String operator, Object a, Object b) {
    return switch (operator) {
      case "==" -> Values.same(a, b);
      case "!=" -> !Values.same(a, b);
      case "<" -> order(a, b) < 0;
      case "<=" -> order(a, b) <= 0;
      case ">" -> order(a, b) > 0;
      default -> order(a, b) >= 0;
    };
  }

  static int order(Object a, Object b) {
    Budget.step();
    if (a instanceof String left && b instanceof String right) {
      Budget.scan(left);
      return left.compareTo(right);
    }
    return Double.compare(number(a).doubleValue(), number(b).doubleValue());
  }

  static boolean contains(Object container, Object item) {
    if (container instanceof String text) {
      if (!(item instanceof String part)) {
        throw new TemplateException("'in' a string needs a string, found " + Values.kind(item));
      }
      Budget.scan(text);
      return text.contains(part);
    }
    if (container instanceof Map<?, ?> map) {
      return map.containsKey(item);
    }
    List<Object> items = Values.list(container);
    Budget.steps(items.size());
    return items.stream().anyMatch(other -> Values.same(other, item));
  }

  /** {@return {@code target.name}: a method, or the item of that name} */
  static Object attribute(Object target, String name) {
    Object method = method(target, name);
    return method != null ? method : itemOrUndefined(target, name);
  }

  private static Object method(Object target, String name) {
    if (target instanceof Attributes attributes) {
      return attributes.attribute(name);
    }
    if (target instanceof String text) {
      Budget.scan(text);
      return Strings.method(text, name);
    }
    return target instanceof Map<?, ?> map ? MapMethods.method(map, name) : null;
  }

  /** {@return {@code target[key]}} */
  static Object item(Object target, Object key) {
    Object item = itemOrUndefined(target, key);
    if (item instanceof Undefined && key instanceof String name) {
      Object method = method(target, name);
      return method != null ? method : item;
    }
    return item;
  }

  private static Object itemOrUndefined(Object target, Object key) {
    if (target instanceof Undefined undefined) {
      throw undefined.error();
    }
    if (target instanceof Map<?, ?> map) {
      return map.containsKey(key) ? map.get(key) : missing(target, key);
    }
    if (key instanceof Number && (target instanceof List || target instanceof String)) {
      long size = Values.length(target);
      long at = index(key);
      at = at < 0 ? at + size : at;
      if (at < 0 || at >= size) {
        return missing(target, key);
      }
      return target instanceof String text
          ? Strings.character(text, (int) at)
          : ((List<?>) target).get((int) at);
    }
    return missing(target, key);
  }

  private static Undefined missing(Object target, Object key) {
    return new Undefined(Values.kind(target) + " has no " + Values.repr(key));
  }

  /** {@return {@code target[from:to:step]}; a bound may be null} */
  static Object slice(Object target, Object from, Object to, Object step) {
    List<Object> items = Values.list(target);
    int by = step == null ? 1 : index(step);
    if (by == 0) {
      throw new TemplateException("a slice's step cannot be 0");
    }
    int n = items.size();
    int start = bound(from, n, by > 0 ? 0 : n - 1, by);
    int end = bound(to, n, by > 0 ? n : -1, by);
    List<Object> chosen = new ArrayList<>();
    for (long i = start; by > 0 ? i < end : i > end; i += by) {
      chosen.add(items.get((int) i));
    }
    return target instanceof String ? Strings.join(chosen) : chosen;
  }

  private static int bound(Object value, int n, int otherwise, int step) {
    if (value == null) {
      return otherwise;
    }
    int at = index(value);
    at = at < 0 ? at + n : at;
    return step > 0 ? Math.max(0, Math.min(n, at)) : Math.max(-1, Math.min(n - 1, at));
  }

  static Object call(Object target, List<Object> arguments, Map<String, Object> named) {
    if (target instanceof Undefined undefined) {
      throw undefined.error();
    }
    if (!(target instanceof Function function)) {
      throw new TemplateException("cannot call " + Values.kind(target));
    }
    Budget.step();
    return function.call(arguments, named);
  }
}
