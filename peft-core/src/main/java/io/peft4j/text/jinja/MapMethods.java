package io.peft4j.text.jinja;

import io.peft4j.text.jinja.Template.Function;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Methods of Python's {@code dict} that change nothing. */
final class MapMethods {

  private MapMethods() {}

  /** {@return the method, bound to {@code map}, or null} */
  static Function method(Map<?, ?> map, String name) {
    return switch (name) {
      case "items" -> (arguments, named) -> items(map);
      case "keys" -> (arguments, named) -> new ArrayList<Object>(map.keySet());
      case "values" -> (arguments, named) -> new ArrayList<Object>(map.values());
      case "get" -> (arguments, named) -> get(map, arguments);
      case "pop", "update", "setdefault", "clear" ->
          (arguments, named) -> {
            throw new TemplateException("'" + name + "' would change a value");
          };
      default -> null;
    };
  }

  static List<Object> items(Map<?, ?> map) {
    List<Object> items = new ArrayList<>();
    map.forEach(
        (key, value) -> {
          List<Object> pair = new ArrayList<>();
          pair.add(key);
          pair.add(value);
          items.add(pair);
        });
    return items;
  }

  private static Object get(Map<?, ?> map, List<Object> arguments) {
    if (arguments.isEmpty()) {
      throw new TemplateException("'get' needs a key");
    }
    Object key = arguments.get(0);
    return map.containsKey(key) ? map.get(key) : arguments.size() > 1 ? arguments.get(1) : null;
  }
}
