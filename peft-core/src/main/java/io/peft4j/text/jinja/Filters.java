package io.peft4j.text.jinja;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** What follows a bar. */
final class Filters {

  /** The arguments of a filter, by place or by name. */
  private record Given(List<Object> positional, Map<String, Object> named) {
    Object get(int place, String name, Object otherwise) {
      if (place < positional.size()) {
        return positional.get(place);
      }
      return named.getOrDefault(name, otherwise);
    }

    String text(int place, String name, String otherwise) {
      return Values.text(get(place, name, otherwise));
    }

    boolean flag(int place, String name, boolean otherwise) {
      return Values.truth(get(place, name, otherwise));
    }
  }

  @FunctionalInterface
  private interface Filter {
    Object apply(Object value, Given given);
  }

  private static final Pattern WORD = Pattern.compile("[^-\\s({\\[<]+");
  private static final Map<String, Filter> ALL = all();

  private Filters() {}

  static boolean knows(String name) {
    return ALL.containsKey(name);
  }

  static Object apply(
      String name, Object value, List<Object> positional, Map<String, Object> named) {
    if (value instanceof String text) {
      Budget.make(text.length());
      Budget.scan(text);
    }
    return ALL.get(name).apply(value, new Given(positional, named));
  }

  private static Map<String, Filter> all() {
    Map<String, Filter> all = new LinkedHashMap<>();
    all.put("trim", (v, g) -> Strings.strip(Values.text(v), characters(g), true, true));
    all.put("upper", (v, g) -> Values.text(v).toUpperCase(Locale.ROOT));
    all.put("lower", (v, g) -> Values.text(v).toLowerCase(Locale.ROOT));
    all.put("title", (v, g) -> title(Values.text(v)));
    all.put("capitalize", (v, g) -> Strings.capitalize(Values.text(v)));
    all.put("string", (v, g) -> Values.text(v));
    all.put("safe", (v, g) -> v);
    all.put("escape", (v, g) -> escape(Values.text(v)));
    all.put("e", all.get("escape"));
    all.put(
        "replace",
        (v, g) -> Strings.replace(Values.text(v), g.text(0, "old", ""), g.text(1, "new", ""), -1));
    all.put("indent", (v, g) -> indent(Values.text(v), g));
    all.put("format", (v, g) -> Strings.format(Values.text(v), g.positional()));
    all.put("tojson", (v, g) -> json(v, g));
    all.put("length", (v, g) -> Values.length(v));
    all.put("count", all.get("length"));
    all.put("list", (v, g) -> Values.list(v));
    all.put("items", (v, g) -> v instanceof Map<?, ?> map ? MapMethods.items(map) : noMap(v));
    all.put("dictsort", (v, g) -> v instanceof Map<?, ?> map ? sortedItems(map) : noMap(v));
    all.put("first", (v, g) -> end(Values.list(v), true));
    all.put("last", (v, g) -> end(Values.list(v), false));
    all.put("reverse", (v, g) -> Operations.slice(v, null, null, -1L));
    all.put("join", (v, g) -> join(v, g));
    all.put("sort", (v, g) -> sorted(v, g));
    all.put("unique", (v, g) -> unique(Values.list(v)));
    all.put("min", (v, g) -> extreme(Values.list(v), -1));
    all.put("max", (v, g) -> extreme(Values.list(v), 1));
    all.put(
        "sum",
        (v, g) -> Values.list(v).stream().reduce(0L, (a, b) -> Operations.arithmetic("+", a, b)));
    all.put(
        "abs", (v, g) -> Operations.compare("<", v, 0L) ? Operations.arithmetic("-", 0L, v) : v);
    all.put("int", (v, g) -> integer(v, g.get(0, "default", 0L)));
    all.put("float", (v, g) -> decimal(v, g.get(0, "default", 0.0)));
    all.put("round", (v, g) -> round(v, g));
    all.put(
        "default",
        (v, g) ->
            v instanceof Undefined || (g.flag(1, "boolean", false) && !Values.truth(v))
                ? g.get(0, "default_value", "")
                : v);
    all.put("d", all.get("default"));
    all.put("map", (v, g) -> mapped(Values.list(v), g));
    all.put("select", (v, g) -> selected(Values.list(v), g.positional(), null, true));
    all.put("reject", (v, g) -> selected(Values.list(v), g.positional(), null, false));
    all.put("selectattr", (v, g) -> selectedByAttribute(v, g, true));
    all.put("rejectattr", (v, g) -> selectedByAttribute(v, g, false));
    return Map.copyOf(all);
  }

  private static String characters(Given given) {
    Object characters = given.get(0, "chars", null);
    return characters == null ? null : Values.text(characters);
  }

  private static Object noMap(Object value) {
    if (value instanceof Undefined) {
      return List.of();
    }
    throw new TemplateException("expected a map, found " + Values.kind(value));
  }

  /** The parameters of transformers' filter, whose first is {@code ensure_ascii}. */
  private static String json(Object value, Given given) {
    if (!Set.of("ensure_ascii", "indent").containsAll(given.named().keySet())
        || given.positional().size() > 2
        || given.flag(0, "ensure_ascii", false)) {
      throw new TemplateException("'tojson' takes ensure_ascii=false and indent, found others");
    }
    return Json.write(value, given.get(1, "indent", null));
  }

  /** Unlike {@code str.title}, which begins a word after any sign. */
  private static String title(String text) {
    return WORD.matcher(text)
        .replaceAll(word -> Matcher.quoteReplacement(Strings.capitalize(word.group())));
  }

  private static String escape(String text) {
    return text.replace("&", "&amp;")
        .replace(">", "&gt;")
        .replace("<", "&lt;")
        .replace("'", "&#39;")
        .replace("\"", "&#34;");
  }

  private static String blanks(int count) {
    Budget.make(count);
    return " ".repeat(Math.max(0, count));
  }

  private static String indent(String text, Given given) {
    Object width = given.get(0, "width", 4L);
    String by = width instanceof String string ? string : blanks(Operations.index(width));
    return Strings.indent(text, by, given.flag(1, "first", false), given.flag(2, "blank", false));
  }

  private static Object end(List<Object> items, boolean first) {
    return items.isEmpty()
        ? new Undefined("an empty list has no " + (first ? "first" : "last") + " item")
        : items.get(first ? 0 : items.size() - 1);
  }

  private static Object join(Object value, Given given) {
    Object attribute = given.get(1, "attribute", null);
    List<Object> items = Values.list(value);
    if (attribute != null) {
      items = new ArrayList<>(items.stream().map(path(Values.text(attribute))).toList());
    }
    return Strings.join(items, given.text(0, "d", ""));
  }

  /** {@return what finds an attribute, or one of one: names with dots between} */
  private static Function<Object, Object> path(String path) {
    return item -> {
      Object value = item;
      for (String part : path.split("\\.")) {
        Object key = part.matches("[0-9]+") ? (Object) Operations.integer(part) : part;
        value = Operations.item(value, key);
      }
      return value;
    };
  }

  private static List<Object> sorted(Object value, Given given) {
    boolean exactCase = given.flag(1, "case_sensitive", false);
    Object attribute = given.get(2, "attribute", null);
    Function<Object, Object> of = attribute == null ? item -> item : path(Values.text(attribute));
    Comparator<Object> order =
        (a, b) -> Operations.order(folded(of.apply(a), exactCase), folded(of.apply(b), exactCase));
    List<Object> sorted = Values.list(value);
    sorted.sort(given.flag(0, "reverse", false) ? order.reversed() : order);
    return sorted;
  }

  private static Object folded(Object value, boolean exactCase) {
    return value instanceof String text && !exactCase ? text.toLowerCase(Locale.ROOT) : value;
  }

  private static List<Object> sortedItems(Map<?, ?> map) {
    List<Object> items = MapMethods.items(map);
    items.sort(
        (a, b) ->
            Operations.order(
                folded(((List<?>) a).get(0), false), folded(((List<?>) b).get(0), false)));
    return items;
  }

  private static List<Object> unique(List<Object> items) {
    List<Object> unique = new ArrayList<>();
    for (Object item : items) {
      Object folded = folded(item, false);
      if (unique.stream().noneMatch(other -> Values.same(folded(other, false), folded))) {
        unique.add(item);
      }
    }
    return unique;
  }

  private static Object extreme(List<Object> items, int sign) {
    return items.stream()
        .reduce((a, b) -> sign * Operations.order(b, a) > 0 ? b : a)
        .orElseGet(() -> new Undefined("an empty list has no least and no greatest item"));
  }

  private static Object integer(Object value, Object otherwise) {
    try {
      return value instanceof String text
          ? (Object) Math.round(Math.floor(Double.parseDouble(text.strip())))
          : (Object) Operations.number(value).longValue();
    } catch (NumberFormatException | TemplateException e) {
      return otherwise;
    }
  }

  private static Object decimal(Object value, Object otherwise) {
    try {
      return value instanceof String text
          ? (Object) Double.parseDouble(text.strip())
          : (Object) Operations.number(value).doubleValue();
    } catch (NumberFormatException | TemplateException e) {
      return otherwise;
    }
  }

  private static Object round(Object value, Given given) {
    double factor = Math.pow(10, Operations.index(given.get(0, "precision", 0L)));
    double scaled = Operations.number(value).doubleValue() * factor;
    return switch (given.text(1, "method", "common")) {
      case "ceil" -> Math.ceil(scaled) / factor;
      case "floor" -> Math.floor(scaled) / factor;
      default -> Math.rint(scaled) / factor;
    };
  }

  private static List<Object> mapped(List<Object> items, Given given) {
    Object attribute = given.named().get("attribute");
    List<Object> mapped = new ArrayList<>();
    for (Object item : items) {
      if (attribute != null) {
        Object value = path(Values.text(attribute)).apply(item);
        mapped.add(
            value instanceof Undefined ? given.named().getOrDefault("default", value) : value);
      } else {
        String name = given.text(0, "filter", "");
        if (!knows(name)) {
          throw new TemplateException("no filter '" + name + "'");
        }
        List<Object> rest =
            given
                .positional()
                .subList(Math.min(1, given.positional().size()), given.positional().size());
        mapped.add(apply(name, item, rest, given.named()));
      }
    }
    return mapped;
  }

  private static List<Object> selectedByAttribute(Object value, Given given, boolean wanted) {
    List<Object> positional = given.positional();
    if (positional.isEmpty()) {
      throw new TemplateException("'selectattr' needs the name of an attribute");
    }
    return selected(
        Values.list(value),
        positional.subList(1, positional.size()),
        path(Values.text(positional.get(0))),
        wanted);
  }

  /**
   * @param test its name and arguments; empty for the value's truth
   */
  private static List<Object> selected(
      List<Object> items, List<Object> test, Function<Object, Object> of, boolean wanted) {
    String name = test.isEmpty() ? null : Values.text(test.get(0));
    if (name != null && !Tests.knows(name)) {
      throw new TemplateException("no test '" + name + "'");
    }
    List<Object> selected = new ArrayList<>();
    for (Object item : items) {
      Object value = of == null ? item : of.apply(item);
      boolean holds =
          name == null
              ? Values.truth(value)
              : Tests.apply(name, value, test.subList(1, test.size()));
      if (holds == wanted) {
        selected.add(item);
      }
    }
    return selected;
  }
}
