package io.peft4j.text.jinja;

import io.peft4j.text.jinja.Template.Attributes;
import io.peft4j.text.jinja.Template.Function;
import java.time.Clock;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** Functions that every template has. */
final class Builtins {

  private static final int LONGEST_RANGE = 100_000;

  private static final Map<Character, String> DIRECTIVES =
      Map.ofEntries(
          Map.entry('Y', "yyyy"),
          Map.entry('y', "yy"),
          Map.entry('m', "MM"),
          Map.entry('d', "dd"),
          Map.entry('B', "MMMM"),
          Map.entry('b', "MMM"),
          Map.entry('A', "EEEE"),
          Map.entry('a', "EEE"),
          Map.entry('H', "HH"),
          Map.entry('I', "hh"),
          Map.entry('M', "mm"),
          Map.entry('S', "ss"),
          Map.entry('p', "a"),
          Map.entry('j', "DDD"),
          Map.entry('Z', "zzz"),
          Map.entry('z', "xx"));

  private Builtins() {}

  /** Variables that a loop's body can set for good. */
  static final class Namespace implements Attributes {
    private final Map<String, Object> values;

    Namespace(Map<String, Object> values) {
      this.values = new HashMap<>(values);
    }

    void set(String name, Object value) {
      values.put(name, value);
    }

    @Override
    public Object attribute(String name) {
      return values.containsKey(name)
          ? values.get(name)
          : new Undefined("the namespace has no '" + name + "'");
    }
  }

  static Map<String, Object> globals(Clock clock) {
    Map<String, Object> globals = new HashMap<>();
    globals.put("range", (Function) (arguments, named) -> range(arguments));
    globals.put("namespace", (Function) (arguments, named) -> new Namespace(named));
    globals.put("dict", (Function) (arguments, named) -> new LinkedHashMap<>(named));
    globals.put(
        "raise_exception",
        (Function)
            (arguments, named) -> {
              throw new TemplateException(first("raise_exception", arguments));
            });
    globals.put(
        "strftime_now",
        (Function) (arguments, named) -> date(first("strftime_now", arguments), clock));
    return globals;
  }

  private static String first(String function, List<Object> arguments) {
    if (arguments.isEmpty()) {
      throw new TemplateException("'" + function + "' needs a string");
    }
    return Values.text(arguments.get(0));
  }

  private static List<Object> range(List<Object> arguments) {
    if (arguments.isEmpty()) {
      throw new TemplateException("'range' needs a number");
    }
    int first = Operations.index(arguments.get(0));
    int from = arguments.size() > 1 ? first : 0;
    int to = arguments.size() > 1 ? Operations.index(arguments.get(1)) : first;
    int step = arguments.size() > 2 ? Operations.index(arguments.get(2)) : 1;
    if (step == 0 || Math.abs((long) to - from) / Math.abs((long) step) > LONGEST_RANGE) {
      throw new TemplateException("a range of more than " + LONGEST_RANGE + " numbers");
    }
    List<Object> numbers = new ArrayList<>();
    for (long i = from; step > 0 ? i < to : i > to; i += step) {
      numbers.add(i);
    }
    Budget.make(numbers.size());
    return numbers;
  }

  /** C's {@code strftime}. */
  private static String date(String format, Clock clock) {
    ZonedDateTime now = ZonedDateTime.now(clock);
    StringBuilder text = new StringBuilder();
    for (int i = 0; i < format.length(); i++) {
      char c = format.charAt(i);
      if (c != '%' || i + 1 == format.length()) {
        text.append(c);
        continue;
      }
      char directive = format.charAt(++i);
      if (directive == '%') {
        text.append('%');
      } else if (DIRECTIVES.containsKey(directive)) {
        text.append(
            DateTimeFormatter.ofPattern(DIRECTIVES.get(directive), Locale.ENGLISH).format(now));
      } else {
        throw new TemplateException("strftime_now does not know '%" + directive + "'");
      }
    }
    return text.toString();
  }
}
