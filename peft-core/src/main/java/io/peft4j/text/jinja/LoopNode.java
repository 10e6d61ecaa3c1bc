package io.peft4j.text.jinja;

import io.peft4j.text.jinja.Template.Attributes;
import io.peft4j.text.jinja.Template.Expression;
import io.peft4j.text.jinja.Template.Flow;
import io.peft4j.text.jinja.Template.Node;
import io.peft4j.text.jinja.Template.Output;
import java.util.ArrayList;
import java.util.List;

/** A {@code for} statement. What its body sets, an iteration forgets. */
record LoopNode(
    List<String> names, Expression items, Expression filter, Node body, Node otherwise, int line)
    implements Node {

  @Override
  public Flow render(Scope scope, Output output) {
    List<Object> chosen = chosen(scope);
    if (chosen.isEmpty()) {
      return otherwise.render(scope.nested(), output);
    }
    for (int i = 0; i < chosen.size(); i++) {
      Budget.step();
      Scope inner = scope.nested();
      inner.set("loop", loop(chosen, i));
      Parser.assign(inner, names, chosen.get(i), line);
      if (body.render(inner, output) == Flow.BREAK) {
        break;
      }
    }
    return Flow.NEXT;
  }

  private List<Object> chosen(Scope scope) {
    List<Object> all;
    try {
      all = Values.list(items.value(scope));
    } catch (TemplateException e) {
      throw e.at(line);
    }
    if (filter == null) {
      return all;
    }
    List<Object> chosen = new ArrayList<>();
    for (Object item : all) {
      Budget.step();
      Scope inner = scope.nested();
      Parser.assign(inner, names, item, line);
      if (Values.truth(filter.value(inner))) {
        chosen.add(item);
      }
    }
    return chosen;
  }

  private static Object cycled(List<Object> values, int i) {
    if (values.isEmpty()) {
      throw new TemplateException("'cycle' needs values");
    }
    return values.get(i % values.size());
  }

  private static Attributes loop(List<Object> items, int i) {
    return name ->
        switch (name) {
          case "index" -> i + 1L;
          case "index0" -> (long) i;
          case "revindex" -> (long) items.size() - i;
          case "revindex0" -> items.size() - i - 1L;
          case "first" -> i == 0;
          case "last" -> i == items.size() - 1;
          case "length" -> (long) items.size();
          case "previtem" -> i > 0 ? items.get(i - 1) : new Undefined("there is no previous item");
          case "nextitem" ->
              i + 1 < items.size() ? items.get(i + 1) : new Undefined("there is no next item");
          case "cycle" -> (Template.Function) (arguments, named) -> cycled(arguments, i);
          default -> new Undefined("'loop' has no '" + name + "'");
        };
  }
}
