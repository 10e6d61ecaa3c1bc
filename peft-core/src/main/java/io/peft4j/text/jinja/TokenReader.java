package io.peft4j.text.jinja;

import io.peft4j.text.jinja.Token.Kind;
import java.util.List;

/** Tokens, read one after the other. */
final class TokenReader {

  private final List<Token> tokens;
  private int at;

  TokenReader(List<Token> tokens) {
    this.tokens = tokens;
  }

  Token peek() {
    return tokens.get(at);
  }

  Token peekSecond() {
    return tokens.get(Math.min(at + 1, tokens.size() - 1));
  }

  Token next() {
    Token token = tokens.get(at);
    at = Math.min(at + 1, tokens.size() - 1);
    return token;
  }

  boolean has(Kind kind) {
    return peek().kind() == kind;
  }

  boolean hasName(String name) {
    return peek().is(Kind.NAME, name);
  }

  boolean hasOperator(String operator) {
    return peek().is(Kind.OPERATOR, operator);
  }

  /** Takes the operator if it is next. */
  boolean take(String operator) {
    boolean found = hasOperator(operator);
    at += found ? 1 : 0;
    return found;
  }

  /** Takes the name if it is next. */
  boolean takeName(String name) {
    boolean found = hasName(name);
    at += found ? 1 : 0;
    return found;
  }

  void expect(String operator) {
    if (!take(operator)) {
      throw expected("'" + operator + "'");
    }
  }

  Token expect(Kind kind, String called) {
    if (!has(kind)) {
      throw expected(called);
    }
    return next();
  }

  /** Reads items with commas between, and perhaps one behind, up to and with {@code end}. */
  void separated(String end, Runnable item) {
    while (!take(end)) {
      item.run();
      if (!hasOperator(end)) {
        expect(",");
      }
    }
  }

  TemplateException expected(String what) {
    return new TemplateException("expected " + what + ", found " + peek().shown(), peek().line());
  }
}
