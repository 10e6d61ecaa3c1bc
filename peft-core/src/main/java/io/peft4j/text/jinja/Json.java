package io.peft4j.text.jinja;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** JSON as Python's {@code json.dumps(value, ensure_ascii=False)} writes it. */
final class Json {

  private Json() {}

  /**
   * @param indent blanks a level, or null for one line
   */
  static String write(Object value, Object indent) {
    StringBuilder text = new StringBuilder();
    write(value, indent == null ? -1 : Operations.index(indent), 0, text);
    return text.toString();
  }

  private static void write(Object value, int indent, int depth, StringBuilder text) {
    Budget.step();
    if (value instanceof Map<?, ?> map) {
      List<Runnable> parts = new ArrayList<>();
      map.forEach(
          (key, item) ->
              parts.add(
                  () -> {
                    string(key instanceof String name ? name : write(key, null), text);
                    text.append(": ");
                    write(item, indent, depth + 1, text);
                  }));
      parts(parts, '{', '}', indent, depth, text);
    } else if (value instanceof Collection<?> items) {
      List<Runnable> parts = new ArrayList<>();
      items.forEach(item -> parts.add(() -> write(item, indent, depth + 1, text)));
      parts(parts, '[', ']', indent, depth, text);
    } else if (value instanceof String string) {
      string(string, text);
    } else if (value == null) {
      text.append("null");
    } else if (value instanceof Boolean) {
      text.append(value);
    } else if (value instanceof Number) {
      text.append(Values.repr(value));
    } else {
      throw new TemplateException("'tojson' of " + Values.kind(value));
    }
  }

  private static void parts(
      List<Runnable> parts, char open, char close, int indent, int depth, StringBuilder text) {
    text.append(open);
    for (int i = 0; i < parts.size(); i++) {
      text.append(i == 0 ? "" : indent < 0 ? ", " : ",");
      line(indent, depth + 1, text);
      parts.get(i).run();
    }
    if (!parts.isEmpty()) {
      line(indent, depth, text);
    }
    text.append(close);
  }

  private static void line(int indent, int depth, StringBuilder text) {
    if (indent >= 0) {
      Budget.make((long) indent * depth);
      Budget.checkLength((long) text.length() + (long) indent * depth);
      text.append('\n').append(" ".repeat(indent * depth));
    }
  }

  private static void string(String value, StringBuilder text) {
    Budget.make(value.length());
    Budget.checkLength((long) text.length() + value.length());
    text.append('"');
    for (char c : value.toCharArray()) {
      switch (c) {
        case '"' -> text.append("\\\"");
        case '\\' -> text.append("\\\\");
        case '\n' -> text.append("\\n");
        case '\r' -> text.append("\\r");
        case '\t' -> text.append("\\t");
        case '\b' -> text.append("\\b");
        case '\f' -> text.append("\\f");
        default ->
            text.append(
                c < 0x20 ? String.format(Locale.ROOT, "\\u%04x", (int) c) : String.valueOf(c));
      }
    }
    text.append('"');
  }
}
