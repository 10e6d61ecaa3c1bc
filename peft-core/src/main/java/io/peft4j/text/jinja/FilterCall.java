package io.peft4j.text.jinja;

/** A filter with its arguments. */
record FilterCall(String name, Arguments arguments, int line) {
  Object apply(Object value, Scope scope) {
    Budget.step();
    try {
      return Filters.apply(name, value, arguments.values(scope), arguments.namedValues(scope));
    } catch (TemplateException e) {
      throw e.at(line);
    }
  }
}
