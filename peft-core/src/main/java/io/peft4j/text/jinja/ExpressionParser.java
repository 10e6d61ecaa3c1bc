package io.peft4j.text.jinja;

import io.peft4j.text.jinja.Template.Expression;
import io.peft4j.text.jinja.Token.Kind;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.function.BinaryOperator;

/** Expressions, with Jinja's precedences. */
final class ExpressionParser {

  private static final Set<String> COMPARISONS = Set.of("==", "!=", "<", "<=", ">", ">=");
  private static final Set<String> SUMS = Set.of("+", "-");
  private static final Set<String> PRODUCTS = Set.of("*", "/", "//", "%");

  private final TokenReader tokens;
  private final OperandParser operands;

  ExpressionParser(TokenReader tokens) {
    this.tokens = tokens;
    this.operands = new OperandParser(tokens, this);
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

  static Expression list(List<Expression> items) {
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
      Budget.step();
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

  List<FilterCall> filters() {
    return operands.filters();
  }

  FilterCall filter() {
    return operands.filter();
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
      left =
          scope ->
              Operations.joined(Values.text(first.value(scope)), Values.text(second.value(scope)));
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
    return scope -> {
      Budget.step();
      return Operations.arithmetic(operator, left.value(scope), right.value(scope));
    };
  }

  private Expression unary(boolean withFilters) {
    Expression value;
    if (tokens.take("-")) {
      Expression inner = unary(false);
      value = scope -> Operations.arithmetic("-", 0L, inner.value(scope));
    } else if (tokens.take("+")) {
      value = unary(false);
    } else {
      value = operands.operand();
    }
    return withFilters ? operands.filtersAndTests(value) : value;
  }
}
