package io.peft4j.text.jinja;

import io.peft4j.text.jinja.Template.Expression;
import io.peft4j.text.jinja.Token.Kind;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.BinaryOperator;

/** Expressions, with Jinja's precedences. */
final class ExpressionParser {

  private static final Set<String> COMPARISONS = Set.of("==", "!=", "<", "<=", ">", ">=");
  private static final Set<String> SUMS = Set.of("+", "-");
  private static final Set<String> PRODUCTS = Set.of("*", "/", "//", "%");
  private static final Set<Kind> LITERALS = Set.of(Kind.STRING, Kind.INTEGER, Kind.FLOAT);

  private final TokenReader tokens;

  ExpressionParser(TokenReader tokens) {
    this.tokens = tokens;
  }

  /** Arguments of a call. */
  private record Arguments(List<Expression> positional, Map<String, Expression> named) {
    List<Object> values(Scope scope) {
      List<Object> values = new ArrayList<>();
      positional.forEach(argument -> values.add(argument.value(scope)));
      return values;
    }

    Map<String, Object> namedValues(Scope scope) {
      Map<String, Object> values = new LinkedHashMap<>();
      named.forEach((name, argument) -> values.put(name, argument.value(scope)));
      return values;
    }
  }

  /** A filter with its arguments. */
  record Filter(String name, Arguments arguments, int line) {
    Object apply(Object value, Scope scope) {
      try {
        return Filters.apply(name, value, arguments.values(scope), arguments.namedValues(scope));
      } catch (TemplateException e) {
        throw e.at(line);
      }
    }
  }

  /** An expression, or several with commas between. */
  Expression tuple() {
    Expression first = expression();
    return tokens.hasOperator(",") ? restOfTuple(first) : first;
  }

  private Expression restOfTuple(Expression first) {
    List<Expression> all = new ArrayList<>(List.of(first));
    while (tokens.take(",") && !tokens.has(Kind.END) && !tokens.hasOperator(")")) {
      all.add(expression());
    }
    return list(all);
  }

  private static Expression list(List<Expression> items) {
    return scope -> {
      List<Object> values = new ArrayList<>();
      items.forEach(item -> values.add(item.value(scope)));
      return values;
    };
  }

  /** Any expression. Its exceptions name the line. */
  Expression expression() {
    int line = tokens.peek().line();
    Expression inner = conditional();
    return scope -> {
      try {
        return inner.value(scope);
      } catch (TemplateException e) {
        throw e.at(line);
      }
    };
  }

  private Expression conditional() {
    Expression value = or();
    while (tokens.takeName("if")) {
      Expression then = value;
      Expression test = or();
      Expression otherwise =
          tokens.takeName("else")
              ? conditional()
              : scope -> new Undefined("the condition is false and there is no else");
      value = scope -> (Values.truth(test.value(scope)) ? then : otherwise).value(scope);
    }
    return value;
  }

  /** What a loop goes over, which an {@code if} may follow. */
  Expression withoutCondition() {
    return or();
  }

  private Expression or() {
    Expression left = and();
    while (tokens.takeName("or")) {
      Expression first = left;
      Expression second = and();
      left =
          scope -> {
            Object value = first.value(scope);
            return Values.truth(value) ? value : second.value(scope);
          };
    }
    return left;
  }

  private Expression and() {
    Expression left = not();
    while (tokens.takeName("and")) {
      Expression first = left;
      Expression second = not();
      left =
          scope -> {
            Object value = first.value(scope);
            return Values.truth(value) ? second.value(scope) : value;
          };
    }
    return left;
  }

  private Expression not() {
    if (tokens.takeName("not")) {
      Expression inner = not();
      return scope -> !Values.truth(inner.value(scope));
    }
    return comparison();
  }

  /** One comparison or a chain of them, all of which have to hold. */
  private Expression comparison() {
    Expression left = sum();
    Expression result = left;
    boolean first = true;
    while (true) {
      BinaryOperator<Object> operation;
      if (tokens.has(Kind.OPERATOR) && COMPARISONS.contains(tokens.peek().text())) {
        String operator = tokens.next().text();
        operation = (a, b) -> Operations.compare(operator, a, b);
      } else if (tokens.takeName("in")) {
        operation = (a, b) -> Operations.contains(b, a);
      } else if (tokens.hasName("not") && tokens.peekSecond().is(Kind.NAME, "in")) {
        tokens.next();
        tokens.next();
        operation = (a, b) -> !Operations.contains(b, a);
      } else {
        return result;
      }
      Expression a = left;
      Expression b = sum();
      Expression before = first ? null : result;
      result =
          scope ->
              before != null && !Values.truth(before.value(scope))
                  ? Boolean.FALSE
                  : operation.apply(a.value(scope), b.value(scope));
      left = b;
      first = false;
    }
  }

  private Expression sum() {
    Expression left = concatenation();
    while (tokens.has(Kind.OPERATOR) && SUMS.contains(tokens.peek().text())) {
      left = binary(tokens.next().text(), left, concatenation());
    }
    return left;
  }

  private Expression concatenation() {
    Expression left = product();
    while (tokens.take("~")) {
      Expression first = left;
      Expression second = product();
      left = scope -> Values.text(first.value(scope)) + Values.text(second.value(scope));
    }
    return left;
  }

  private Expression product() {
    Expression left = power();
    while (tokens.has(Kind.OPERATOR) && PRODUCTS.contains(tokens.peek().text())) {
      left = binary(tokens.next().text(), left, power());
    }
    return left;
  }

  private Expression power() {
    Expression left = unary(true);
    while (tokens.take("**")) {
      left = binary("**", left, unary(true));
    }
    return left;
  }

  private static Expression binary(String operator, Expression left, Expression right) {
    return scope -> Operations.arithmetic(operator, left.value(scope), right.value(scope));
  }

  private Expression unary(boolean withFilters) {
    Expression value;
    if (tokens.take("-")) {
      Expression inner = unary(false);
      value = scope -> Operations.arithmetic("-", 0L, inner.value(scope));
    } else if (tokens.take("+")) {
      value = unary(false);
    } else {
      value = postfix(primary());
    }
    return withFilters ? filtersAndTests(value) : value;
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
            case "[" -> list(items("]"));
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
      return list(List.of());
    }
    Expression inner = tuple();
    tokens.expect(")");
    return inner;
  }

  private List<Expression> items(String end) {
    List<Expression> items = new ArrayList<>();
    while (!tokens.take(end)) {
      items.add(expression());
      if (!tokens.hasOperator(end)) {
        tokens.expect(",");
      }
    }
    return items;
  }

  private Expression map() {
    Map<Expression, Expression> entries = new LinkedHashMap<>();
    while (!tokens.take("}")) {
      Expression key = expression();
      tokens.expect(":");
      entries.put(key, expression());
      if (!tokens.hasOperator("}")) {
        tokens.expect(",");
      }
    }
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
        Arguments arguments = arguments();
        value =
            scope ->
                Operations.call(
                    target.value(scope), arguments.values(scope), arguments.namedValues(scope));
      } else {
        return value;
      }
    }
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
        parts[part] = tuple();
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
    while (!tokens.take(")")) {
      if (tokens.has(Kind.NAME) && tokens.peekSecond().is(Kind.OPERATOR, "=")) {
        String name = tokens.next().text();
        tokens.next();
        named.put(name, expression());
      } else {
        positional.add(expression());
      }
      if (!tokens.hasOperator(")")) {
        tokens.expect(",");
      }
    }
    return new Arguments(positional, named);
  }

  private Expression filtersAndTests(Expression start) {
    Expression value = start;
    while (true) {
      Expression target = value;
      if (tokens.take("|")) {
        Filter filter = filter();
        value = scope -> filter.apply(target.value(scope), scope);
      } else if (tokens.takeName("is")) {
        value = test(target);
      } else if (tokens.take("(")) {
        Arguments arguments = arguments();
        value =
            scope ->
                Operations.call(
                    target.value(scope), arguments.values(scope), arguments.namedValues(scope));
      } else {
        return value;
      }
    }
  }

  List<Filter> filters() {
    List<Filter> filters = new ArrayList<>();
    while (tokens.take("|")) {
      filters.add(filter());
    }
    return filters;
  }

  Filter filter() {
    Token name = tokens.expect(Kind.NAME, "a filter");
    if (!Filters.knows(name.text())) {
      throw new TemplateException("no filter '" + name.text() + "'", name.line());
    }
    return new Filter(
        name.text(),
        tokens.take("(") ? arguments() : new Arguments(List.of(), Map.of()),
        name.line());
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
