package io.peft4j.text.jinja;

import io.peft4j.text.jinja.Template.Function;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.IllegalFormatException;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.IntPredicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Methods of Python's {@code str}. */
final class Strings {

  private static final Pattern PLACEHOLDER =
      Pattern.compile("%(?:%|([-+0 #]*\\d*(?:\\.\\d+)?)([sdrfi]))");

  private static final Pattern NUMBER = Pattern.compile("\\d+");

  private Strings() {}

  /** {@return the method, bound to {@code text}, or null} */
  static Function method(String text, String name) {
    return switch (name) {
      case "strip" -> (a, named) -> strip(text, string(a, 0, null), true, true);
      case "lstrip" -> (a, named) -> strip(text, string(a, 0, null), true, false);
      case "rstrip" -> (a, named) -> strip(text, string(a, 0, null), false, true);
      case "split" -> (a, named) -> split(text, separator(a, named), limit(a, named));
      case "rsplit" -> (a, named) -> splitLast(text, separator(a, named), limit(a, named));
      case "splitlines" -> (a, named) -> new ArrayList<Object>(text.lines().toList());
      case "startswith" -> (a, named) -> any(needed(name, a)).stream().anyMatch(text::startsWith);
      case "endswith" -> (a, named) -> any(needed(name, a)).stream().anyMatch(text::endsWith);
      case "replace" -> (a, named) -> replace(text, string(a, 0, ""), string(a, 1, ""), count(a));
      case "upper" -> (a, named) -> text.toUpperCase(Locale.ROOT);
      case "lower" -> (a, named) -> text.toLowerCase(Locale.ROOT);
      case "title" -> (a, named) -> title(text);
      case "capitalize" -> (a, named) -> capitalize(text);
      case "find" -> (a, named) -> place(text, text.indexOf(string(a, 0, "")));
      case "rfind" -> (a, named) -> place(text, text.lastIndexOf(string(a, 0, "")));
      case "count" -> (a, named) -> (long) (split(text, string(a, 0, ""), -1).size() - 1);
      case "join" -> (a, named) -> join(Values.list(needed(name, a)), text);
      case "isdigit" -> (a, named) -> all(text, Character::isDigit);
      case "isalpha" -> (a, named) -> all(text, Character::isLetter);
      case "isspace" -> (a, named) -> all(text, Character::isWhitespace);
      case "isupper" ->
          (a, named) ->
              !text.equals(text.toLowerCase(Locale.ROOT))
                  && text.equals(text.toUpperCase(Locale.ROOT));
      case "islower" ->
          (a, named) ->
              !text.equals(text.toUpperCase(Locale.ROOT))
                  && text.equals(text.toLowerCase(Locale.ROOT));
      case "removeprefix" ->
          (a, named) -> {
            String prefix = string(a, 0, "");
            return text.startsWith(prefix) ? text.substring(prefix.length()) : text;
          };
      case "removesuffix" ->
          (a, named) -> {
            String end = string(a, 0, "");
            return text.endsWith(end) ? text.substring(0, text.length() - end.length()) : text;
          };
      default -> null;
    };
  }

  private static String string(List<Object> arguments, int at, String otherwise) {
    if (at >= arguments.size() || (arguments.get(at) == null && otherwise == null)) {
      return otherwise;
    }
    if (arguments.get(at) instanceof String value) {
      return value;
    }
    throw new TemplateException("expected a string, found " + Values.kind(arguments.get(at)));
  }

  private static Object needed(String method, List<Object> arguments) {
    if (arguments.isEmpty()) {
      throw new TemplateException("'" + method + "' needs an argument");
    }
    return arguments.get(0);
  }

  private static List<String> any(Object argument) {
    List<Object> options = argument instanceof List<?> list ? Values.list(list) : List.of(argument);
    return options.stream().map(option -> string(List.of(option), 0, "")).toList();
  }

  private static long count(List<Object> arguments) {
    return arguments.size() > 2 ? Operations.index(arguments.get(2)) : -1;
  }

  private static String separator(List<Object> arguments, Map<String, Object> named) {
    return arguments.isEmpty() && named.containsKey("sep")
        ? string(Arrays.asList(named.get("sep")), 0, null)
        : string(arguments, 0, null);
  }

  private static int limit(List<Object> arguments, Map<String, Object> named) {
    Object limit = arguments.size() > 1 ? arguments.get(1) : named.get("maxsplit");
    return limit == null ? -1 : Operations.index(limit);
  }

  private static long place(String text, int at) {
    return at < 0 ? -1 : text.codePointCount(0, at);
  }

  private static boolean all(String text, IntPredicate test) {
    return !text.isEmpty() && text.codePoints().allMatch(test);
  }

  /**
   * @param characters to strip; null for white space
   */
  static String strip(String text, String characters, boolean left, boolean right) {
    IntPredicate stripped = characters == null ? Strings::isSpace : c -> characters.indexOf(c) >= 0;
    int from = 0;
    int to = text.length();
    while (left && from < to && stripped.test(text.charAt(from))) {
      from++;
    }
    while (right && to > from && stripped.test(text.charAt(to - 1))) {
      to--;
    }
    return text.substring(from, to);
  }

  private static boolean isSpace(int c) {
    return Character.isWhitespace(c) || Character.isSpaceChar(c) || c == 0x85;
  }

  private static List<Object> split(String text, String separator, int limit) {
    List<Object> parts = new ArrayList<>();
    if (separator == null) {
      String rest = strip(text, null, true, true);
      Matcher space = Pattern.compile("\\s+", Pattern.UNICODE_CHARACTER_CLASS).matcher(rest);
      int from = 0;
      while ((limit < 0 || parts.size() < limit) && space.find()) {
        parts.add(rest.substring(from, space.start()));
        from = space.end();
      }
      if (!rest.isEmpty()) {
        parts.add(rest.substring(from));
      }
      return parts;
    }
    if (separator.isEmpty()) {
      throw new TemplateException("an empty separator");
    }
    int from = 0;
    for (int at = text.indexOf(separator);
        at >= 0 && (limit < 0 || parts.size() < limit);
        at = text.indexOf(separator, from)) {
      parts.add(text.substring(from, at));
      from = at + separator.length();
    }
    parts.add(text.substring(from));
    return parts;
  }

  private static List<Object> splitLast(String text, String separator, int limit) {
    List<Object> all = split(text, separator, -1);
    if (limit < 0 || all.size() <= limit + 1) {
      return all;
    }
    if (separator == null) {
      throw new TemplateException("'rsplit' with a limit needs a separator");
    }
    int head = all.size() - limit;
    List<Object> parts = new ArrayList<>();
    parts.add(join(all.subList(0, head), separator));
    parts.addAll(all.subList(head, all.size()));
    return parts;
  }

  /** {@return how many times {@code part} is in {@code text}} */
  private static long found(String text, String part) {
    if (part.isEmpty()) {
      return text.length() + 1L;
    }
    long count = 0;
    for (int at = text.indexOf(part); at >= 0; at = text.indexOf(part, at + part.length())) {
      count++;
    }
    return count;
  }

  /** {@return the character at a place, counted in code points} */
  static String character(String text, int place) {
    return Character.toString(text.codePointAt(text.offsetByCodePoints(0, place)));
  }

  static String replace(String text, String old, String fresh, long count) {
    if (count < 0) {
      Budget.make(text.length() + found(text, old) * Math.max(0, fresh.length() - old.length()));
      return text.replace(old, fresh);
    }
    List<Object> parts = split(text, old, (int) count);
    return join(parts, fresh);
  }

  static String title(String text) {
    StringBuilder titled = new StringBuilder();
    boolean inWord = false;
    for (int code : text.codePoints().toArray()) {
      titled.appendCodePoint(inWord ? Character.toLowerCase(code) : Character.toTitleCase(code));
      inWord = Character.isLetter(code);
    }
    return titled.toString();
  }

  static String capitalize(String text) {
    return text.isEmpty()
        ? text
        : text.substring(0, 1).toUpperCase(Locale.ROOT)
            + text.substring(1).toLowerCase(Locale.ROOT);
  }

  static String join(List<Object> parts) {
    return join(parts, "");
  }

  static String join(List<Object> parts, String between) {
    List<String> texts = parts.stream().map(Values::text).toList();
    long length = (long) between.length() * Math.max(0, texts.size() - 1);
    for (String text : texts) {
      length += text.length();
    }
    Budget.make(length);
    return String.join(between, texts);
  }

  /** Python's {@code %}. */
  static String format(String pattern, List<Object> arguments) {
    Matcher matcher = PLACEHOLDER.matcher(pattern);
    StringBuilder text = new StringBuilder();
    int next = 0;
    while (matcher.find()) {
      String piece = "%";
      if (matcher.group(2) != null) {
        if (next >= arguments.size()) {
          throw new TemplateException("too few values to format '" + pattern + "'");
        }
        piece = format(matcher.group(1), matcher.group(2).charAt(0), arguments.get(next++));
      }
      matcher.appendReplacement(text, Matcher.quoteReplacement(piece));
    }
    return matcher.appendTail(text).toString();
  }

  private static String format(String flags, char kind, Object value) {
    Matcher number = NUMBER.matcher(flags);
    while (number.find()) {
      Budget.make(number.group().length() > 9 ? Integer.MAX_VALUE : Long.parseLong(number.group()));
    }
    try {
      return Budget.made(formatted(flags, kind, value));
    } catch (IllegalFormatException e) {
      throw new TemplateException("cannot format by '%" + flags + kind + "'");
    }
  }

  private static String formatted(String flags, char kind, Object value) {
    return switch (kind) {
      case 'd', 'i' ->
          String.format(Locale.ROOT, "%" + flags + "d", Operations.number(value).longValue());
      case 'f' ->
          String.format(Locale.ROOT, "%" + flags + "f", Operations.number(value).doubleValue());
      default ->
          String.format(
              Locale.ROOT,
              "%" + flags + "s",
              kind == 'r' ? Values.repr(value) : Values.text(value));
    };
  }

  /** {@return every line but the first (and blank ones, unless asked for) moved to the right} */
  static String indent(String text, String by, boolean first, boolean blank) {
    String[] lines = text.split("\n", -1);
    Budget.make(text.length() + (long) lines.length * by.length());
    return String.join(
            "\n",
            Arrays.asList(lines).stream()
                .map(line -> line.isEmpty() && !blank ? line : by + line)
                .toList())
        .substring(first || (lines[0].isEmpty() && !blank) ? 0 : by.length());
  }
}
