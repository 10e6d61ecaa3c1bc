package io.peft4j.text.jinja;

import io.peft4j.text.jinja.Template.Expression;
import io.peft4j.text.jinja.Template.Flow;
import io.peft4j.text.jinja.Template.Node;
import io.peft4j.text.jinja.Template.Output;
import io.peft4j.text.jinja.Token.Kind;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Statements. */
final class Parser {

  private static final Set<String> REFUSED =
      Set.of("include", "import", "from", "extends", "block", "call", "do", "with", "autoescape");

  private final TokenReader tokens;
  private final ExpressionParser expressions;

  Parser(List<Token> tokens) {
    this.tokens = new TokenReader(tokens);
    this.expressions = new ExpressionParser(this.tokens);
  }

  Node template() {
    Node body = body(Set.of());
    tokens.expect(Kind.EOF, "the end of the template");
    return body;
  }

  /** Up to a statement that one of these names begins, which is left. */
  private Node body(Set<String> ends) {
    List<Node> nodes = new ArrayList<>();
    while (!tokens.has(Kind.EOF)) {
      Token token = tokens.peek();
      if (token.kind() == Kind.STATEMENT && ends.contains(tokens.peekSecond().text())) {
        break;
      }
      tokens.next();
      nodes.add(
          switch (token.kind()) {
            case TEXT -> text(token.text());
            case PRINT -> print();
            default -> statement();
          });
    }
    if (tokens.has(Kind.EOF) && !ends.isEmpty()) {
      throw tokens.expected(String.join(" or ", ends));
    }
    return all(nodes);
  }

  private static Node all(List<Node> nodes) {
    List<Node> children = List.copyOf(nodes);
    return (scope, output) -> {
      for (Node child : children) {
        Budget.step();
        Flow flow = child.render(scope, output);
        if (flow != Flow.NEXT) {
          return flow;
        }
      }
      return Flow.NEXT;
    };
  }

  private static Node text(String text) {
    return (scope, output) -> {
      output.write(text);
      return Flow.NEXT;
    };
  }

  private Node print() {
    Expression value = expressions.tuple();
    end();
    return (scope, output) -> {
      output.write(Values.text(value.value(scope)));
      return Flow.NEXT;
    };
  }

  private void end() {
    tokens.expect(Kind.END, "the end of the tag");
  }

  /** The statement that ends a block, whole. */
  private void end(String name) {
    tokens.next();
    tokens.next();
    if (name.equals("endmacro") && tokens.has(Kind.NAME)) {
      tokens.next();
    }
    end();
  }

  private Node statement() {
    Token name = tokens.expect(Kind.NAME, "a statement");
    return switch (name.text()) {
      case "if" -> condition();
      case "for" -> loop();
      case "set" -> assignment();
      case "macro" -> macro();
      case "filter" -> filter();
      case "generation" -> generation();
      case "break" -> flow(Flow.BREAK);
      case "continue" -> flow(Flow.CONTINUE);
      default ->
          throw new TemplateException(
              REFUSED.contains(name.text())
                  ? "'" + name.text() + "' is not supported in a chat template"
                  : "unknown statement '" + name.text() + "'",
              name.line());
    };
  }

  private Node flow(Flow flow) {
    end();
    return (scope, output) -> flow;
  }

  private Node condition() {
    Expression test = expressions.expression();
    end();
    Node then = body(Set.of("elif", "else", "endif"));
    Node otherwise;
    if (tokens.peekSecond().text().equals("elif")) {
      tokens.next();
      tokens.next();
      otherwise = condition();
    } else if (tokens.peekSecond().text().equals("else")) {
      end("else");
      otherwise = body(Set.of("endif"));
      end("endif");
    } else {
      end("endif");
      otherwise = all(List.of());
    }
    return (scope, output) ->
        (Values.truth(test.value(scope)) ? then : otherwise).render(scope, output);
  }

  private Node loop() {
    List<String> names = names();
    if (!tokens.takeName("in")) {
      throw tokens.expected("'in'");
    }
    int line = tokens.peek().line();
    Expression items = expressions.withoutCondition();
    Expression filter = tokens.takeName("if") ? expressions.expression() : null;
    if (tokens.hasName("recursive")) {
      throw new TemplateException("recursive loops are not supported", line);
    }
    end();
    Node body = body(Set.of("else", "endfor"));
    Node otherwise = all(List.of());
    if (tokens.peekSecond().text().equals("else")) {
      end("else");
      otherwise = body(Set.of("endfor"));
    }
    end("endfor");
    return new LoopNode(names, items, filter, body, otherwise, line);
  }

  private List<String> names() {
    List<String> names = new ArrayList<>();
    boolean bracket = tokens.take("(");
    do {
      names.add(tokens.expect(Kind.NAME, "a name").text());
    } while (tokens.take(",") && tokens.has(Kind.NAME));
    if (bracket) {
      tokens.expect(")");
    }
    return names;
  }

  private Node assignment() {
    int line = tokens.peek().line();
    if (tokens.peekSecond().is(Kind.OPERATOR, ".")) {
      String space = tokens.next().text();
      tokens.next();
      String name = tokens.expect(Kind.NAME, "a name").text();
      tokens.expect("=");
      Expression value = expressions.tuple();
      end();
      return (scope, output) -> {
        if (!(scope.get(space) instanceof Builtins.Namespace target)) {
          throw new TemplateException("'" + space + "' is no namespace", line);
        }
        target.set(name, value.value(scope));
        return Flow.NEXT;
      };
    }
    List<String> names = names();
    if (tokens.take("=")) {
      Expression value = expressions.tuple();
      end();
      return (scope, output) -> {
        assign(scope, names, value.value(scope), line);
        return Flow.NEXT;
      };
    }
    List<FilterCall> filters = expressions.filters();
    end();
    Node body = body(Set.of("endset"));
    end("endset");
    return (scope, output) -> {
      assign(scope, names, filtered(captured(body, scope.nested()), filters, scope), line);
      return Flow.NEXT;
    };
  }

  static void assign(Scope scope, List<String> names, Object value, int line) {
    if (names.size() == 1) {
      scope.set(names.get(0), value);
      return;
    }
    List<Object> values = Values.list(value);
    if (values.size() != names.size()) {
      throw new TemplateException(
          "expected " + names.size() + " values to unpack, found " + values.size(), line);
    }
    for (int i = 0; i < names.size(); i++) {
      scope.set(names.get(i), values.get(i));
    }
  }

  private static String captured(Node body, Scope scope) {
    Output inner = new Output();
    body.render(scope, inner);
    return inner.text.toString();
  }

  private static Object filtered(Object value, List<FilterCall> filters, Scope scope) {
    Object result = value;
    for (FilterCall filter : filters) {
      result = filter.apply(result, scope);
    }
    return result;
  }

  private Node macro() {
    String name = tokens.expect(Kind.NAME, "a name").text();
    Map<String, Expression> parameters = new LinkedHashMap<>();
    tokens.expect("(");
    while (!tokens.take(")")) {
      String parameter = tokens.expect(Kind.NAME, "a name").text();
      parameters.put(parameter, tokens.take("=") ? expressions.expression() : null);
      if (!tokens.hasOperator(")")) {
        tokens.expect(",");
      }
    }
    end();
    Node body = body(Set.of("endmacro"));
    end("endmacro");
    return (scope, output) -> {
      Template.Function function =
          (arguments, named) -> {
            Scope inner = scope.nested();
            bind(name, parameters, arguments, named, inner);
            return captured(body, inner);
          };
      scope.set(name, function);
      return Flow.NEXT;
    };
  }

  private static void bind(
      String macro,
      Map<String, Expression> parameters,
      List<Object> arguments,
      Map<String, Object> named,
      Scope scope) {
    if (arguments.size() > parameters.size() || !parameters.keySet().containsAll(named.keySet())) {
      throw new TemplateException(
          "macro '" + macro + "' takes " + parameters.keySet() + "; found other arguments");
    }
    int i = 0;
    for (Map.Entry<String, Expression> parameter : parameters.entrySet()) {
      String name = parameter.getKey();
      if (i < arguments.size()) {
        scope.set(name, arguments.get(i));
      } else if (named.containsKey(name)) {
        scope.set(name, named.get(name));
      } else if (parameter.getValue() != null) {
        scope.set(name, parameter.getValue().value(scope));
      } else {
        scope.set(name, new Undefined("parameter '" + name + "' was not given"));
      }
      i++;
    }
  }

  private Node filter() {
    List<FilterCall> filters = new ArrayList<>();
    filters.add(expressions.filter());
    filters.addAll(expressions.filters());
    end();
    Node body = body(Set.of("endfilter"));
    end("endfilter");
    return (scope, output) -> {
      output.write(Values.text(filtered(captured(body, scope.nested()), filters, scope)));
      return Flow.NEXT;
    };
  }

  private Node generation() {
    end();
    Node body = body(Set.of("endgeneration"));
    end("endgeneration");
    return (scope, output) -> {
      int start = output.text.length();
      Flow flow = body.render(scope.nested(), output);
      output.generated.add(new int[] {start, output.text.length()});
      return flow;
    };
  }
}
