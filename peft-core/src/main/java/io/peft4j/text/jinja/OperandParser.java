package io.peft4j.text.jinja;

import io.peft4j.text.jinja.Template.Expression;
import io.peft4j.text.jinja.Token.Kind;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** What operators stand between: literals, names, calls, subscripts, filters and tests. */
final class OperandParser {

  private static final Set<Kind> LITERALS = Set.of(Kind.STRING, Kind.INTEGER, Kind.FLOAT);

  private final TokenReader tokens;
  private final ExpressionParser expressions;

  OperandParser(TokenReader tokens, ExpressionParser expressions) {
    this.tokens = tokens;
    this.expressions = expressions;
  }

  /** A value with what follows it: attributes, subscripts, calls. */
  Expression operand() {
    return postfix(primary());
  }

  private Expression primary() {
    Token token = tokens.next();
    return switch (token.kind()) {
      case STRING -> string(token.text());
      case INTEGER -> constant(Operations.integer(token.text()));
      case FLOAT -> constant(Double.valueOf(token.text()));
      case NAME -> name(token.text());
      case OPERATOR ->
          switch (token.text()) {
            case "(" -> bracketed();
            case "[" -> ExpressionParser.list(items("]"));
            case "{" -> map();
            default -> throw unexpected(token);
          };
      default -> throw unexpected(token);
    };
  }

  private static TemplateException unexpected(Token token) {
    return new TemplateException("expected a value, found " + token.shown(), token.line());
  }

  private static Expression constant(Object value) {
    return scope -> value;
  }

  private Expression string(String first) {
    StringBuilder all = new StringBuilder(first);
    while (tokens.has(Kind.STRING)) {
      all.append(tokens.next().text());
    }
    return constant(all.toString());
  }

  private static Expression name(String name) {
    return switch (name) {
      case "true", "True" -> constant(true);
      case "false", "False" -> constant(false);
      case "none", "None" -> constant(null);
      default -> scope -> scope.get(name);
    };
  }

  private Expression bracketed() {
    if (tokens.take(")")) {
      return ExpressionParser.list(List.of());
    }
    Expression inner = expressions.tuple();
    tokens.expect(")");
    return inner;
  }

  private List<Expression> items(String end) {
    List<Expression> items = new ArrayList<>();
    tokens.separated(end, () -> items.add(expressions.expression()));
    return items;
  }

  private Expression map() {
    Map<Expression, Expression> entries = new LinkedHashMap<>();
    tokens.separated(
        "}",
        () -> {
          Expression key = expressions.expression();
          tokens.expect(":");
          entries.put(key, expressions.expression());
        });
    return scope -> {
      Map<Object, Object> map = new LinkedHashMap<>();
      entries.forEach((key, value) -> map.put(key.value(scope), value.value(scope)));
      return map;
    };
  }

  private Expression postfix(Expression start) {
    Expression value = start;
    while (true) {
      Expression target = value;
      if (tokens.take(".")) {
        Token name = tokens.next();
        if (name.kind() == Kind.INTEGER) {
          value = scope -> Operations.item(target.value(scope), Long.valueOf(name.text()));
        } else if (name.kind() == Kind.NAME) {
          value = scope -> Operations.attribute(target.value(scope), name.text());
        } else {
          throw new TemplateException("expected a name, found " + name.shown(), name.line());
        }
      } else if (tokens.take("[")) {
        value = subscript(target);
      } else if (tokens.take("(")) {
        value = call(target);
      } else {
        return value;
      }
    }
  }

  /** The opening bracket has been taken. */
  private Expression call(Expression target) {
    Arguments arguments = arguments();
    return scope ->
        Operations.call(target.value(scope), arguments.values(scope), arguments.namedValues(scope));
  }

  private Expression subscript(Expression target) {
    Expression[] parts = new Expression[3];
    int part = 0;
    boolean slice = false;
    while (!tokens.take("]")) {
      if (tokens.take(":")) {
        slice = true;
        part++;
      } else if (part < 3 && parts[part] == null) {
        parts[part] = expressions.tuple();
      } else {
        throw tokens.expected("']'");
      }
    }
    if (!slice) {
      if (parts[0] == null) {
        throw tokens.expected("an index");
      }
      return scope -> Operations.item(target.value(scope), parts[0].value(scope));
    }
    return scope -> {
      Object[] bounds = new Object[3];
      for (int i = 0; i < 3; i++) {
        bounds[i] = parts[i] == null ? null : parts[i].value(scope);
      }
      return Operations.slice(target.value(scope), bounds[0], bounds[1], bounds[2]);
    };
  }

  /** What follows the opening bracket of a call. */
  private Arguments arguments() {
    List<Expression> positional = new ArrayList<>();
    Map<String, Expression> named = new LinkedHashMap<>();
    tokens.separated(
        ")",
        () -> {
          if (tokens.has(Kind.NAME) && tokens.peekSecond().is(Kind.OPERATOR, "=")) {
            String name = tokens.next().text();
            tokens.next();
            named.put(name, expressions.expression());
          } else {
            positional.add(expressions.expression());
          }
        });
    return new Arguments(positional, named);
  }

  Expression filtersAndTests(Expression start) {
    Expression value = start;
    while (true) {
      Expression target = value;
      if (tokens.take("|")) {
        FilterCall filter = filter();
        value = scope -> filter.apply(target.value(scope), scope);
      } else if (tokens.takeName("is")) {
        value = test(target);
      } else if (tokens.take("(")) {
        value = call(target);
      } else {
        return value;
      }
    }
  }

  List<FilterCall> filters() {
    List<FilterCall> filters = new ArrayList<>();
    while (tokens.take("|")) {
      filters.add(filter());
    }
    return filters;
  }

  FilterCall filter() {
    Token name = tokens.expect(Kind.NAME, "a filter");
    if (!Filters.knows(name.text())) {
      throw new TemplateException("no filter '" + name.text() + "'", name.line());
    }
    return new FilterCall(
        name.text(), tokens.take("(") ? arguments() : Arguments.NONE, name.line());
  }

  private Expression test(Expression target) {
    boolean negated = tokens.takeName("not");
    Token token = tokens.next();
    String name = token.text();
    if (!Tests.knows(name)) {
      throw new TemplateException("no test '" + name + "'", token.line());
    }
    List<Expression> arguments = new ArrayList<>();
    if (tokens.take("(")) {
      arguments.addAll(arguments().positional());
    } else if (LITERALS.contains(tokens.peek().kind())
        || tokens.hasOperator("[")
        || tokens.hasOperator("{")
        || (tokens.has(Kind.NAME)
            && !Set.of("and", "or", "else", "if", "is", "not", "in")
                .contains(tokens.peek().text()))) {
      arguments.add(postfix(primary()));
    }
    return scope -> {
      List<Object> values = new ArrayList<>();
      arguments.forEach(argument -> values.add(argument.value(scope)));
      return negated != Tests.apply(name, target.value(scope), values);
    };
  }
}
