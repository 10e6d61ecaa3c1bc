package io.peft4j.text.jinja;

import java.util.HashMap;
import java.util.Map;

/** Variables, over those of the scope around it. */
final class Scope {

  private final Scope outer;
  private final Map<String, Object> variables;

  private Scope(Scope outer, Map<String, Object> variables) {
    this.outer = outer;
    this.variables = variables;
  }

  static Scope root(Map<String, Object> globals) {
    return new Scope(null, new HashMap<>(globals));
  }

  Scope nested() {
    return new Scope(this, new HashMap<>());
  }

  void set(String name, Object value) {
    variables.put(name, value);
  }

  Object get(String name) {
    for (Scope scope = this; scope != null; scope = scope.outer) {
      if (scope.variables.containsKey(name)) {
        return scope.variables.get(name);
      }
    }
    return new Undefined("'" + name + "' is undefined");
  }
}
