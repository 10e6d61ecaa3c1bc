package io.peft4j.text.jinja;

import io.peft4j.text.jinja.Token.Kind;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Cuts a template into tokens, with {@code trim_blocks} (the line break after a statement is
 * dropped) and {@code lstrip_blocks} (so is what indents one).
 */
final class Lexer {

  private static final Pattern OPEN = Pattern.compile("\\{[{%#]");
  private static final Pattern END_RAW = Pattern.compile("\\{%[-+]?\\s*endraw\\s*([-+]?)%\\}");
  private static final Pattern RAW = Pattern.compile("\\s*raw\\s*([-+]?)%\\}");
  private static final Pattern NAME = Pattern.compile("[\\p{L}_][\\p{L}\\p{N}_]*");
  private static final Pattern NUMBER =
      Pattern.compile("\\d[\\d_]*(?<float>(\\.\\d+)?([eE][-+]?\\d+)?)");
  private static final Pattern OPERATOR =
      Pattern.compile("\\*\\*|//|==|!=|<=|>=|[-+*/%~<>=.,:|()\\[\\]{}]");
  private static final Map<Character, String> ESCAPES =
      Map.of('n', "\n", 't', "\t", 'r', "\r", 'b', "\b", 'f', "\f", '0', "\0", '\n', "");

  private final String source;
  private final List<Token> tokens = new ArrayList<>();
  private int at;
  private int countedTo;
  private int countedLines;

  Lexer(String source) {
    String lines = source.replace("\r\n", "\n").replace('\r', '\n');
    this.source = lines.endsWith("\n") ? lines.substring(0, lines.length() - 1) : lines;
  }

  List<Token> tokens() {
    boolean lineStart = true;
    boolean strip = false;
    while (at < source.length()) {
      Matcher open = OPEN.matcher(source);
      boolean found = open.find(at);
      int end = found ? open.start() : source.length();
      char kind = found ? source.charAt(end + 1) : 0;
      char sign = found && end + 2 < source.length() ? source.charAt(end + 2) : 0;
      String text = source.substring(at, end);
      text = strip ? text.stripLeading() : text;
      if (sign == '-') {
        text = text.stripTrailing();
      } else if (found && kind != '{' && sign != '+') {
        text = withoutIndent(text, lineStart);
      }
      add(Kind.TEXT, text, line(at));
      if (!found) {
        break;
      }
      at = end + (sign == '-' || sign == '+' ? 3 : 2);
      char last = kind == '#' ? comment(end) : tag(kind, end);
      strip = last == '-';
      lineStart = kind != '{' && last != '+' && at < source.length() && source.charAt(at) == '\n';
      if (lineStart && !strip) {
        at++;
      }
    }
    add(Kind.EOF, "", line(source.length()));
    return tokens;
  }

  /** Without the blanks of a line that has nothing else. */
  private static String withoutIndent(String text, boolean lineStart) {
    int from = text.lastIndexOf('\n') + 1;
    return (from > 0 || lineStart) && text.substring(from).isBlank()
        ? text.substring(0, from)
        : text;
  }

  private void add(Kind kind, String text, int line) {
    if (kind != Kind.TEXT || !text.isEmpty()) {
      tokens.add(new Token(kind, text, line));
    }
  }

  /** Counts on from the last place asked for, which is seldom behind this one. */
  private int line(int position) {
    if (position < countedTo) {
      countedTo = 0;
      countedLines = 0;
    }
    for (; countedTo < position; countedTo++) {
      countedLines += source.charAt(countedTo) == '\n' ? 1 : 0;
    }
    return 1 + countedLines;
  }

  private TemplateException error(String problem, int position) {
    return new TemplateException(problem, line(position));
  }

  /** {@return the character before the end, which may be a sign} */
  private char comment(int start) {
    int end = source.indexOf("#}", at);
    if (end < 0) {
      throw error("a comment that does not end", start);
    }
    at = end + 2;
    return source.charAt(end - 1);
  }

  private char tag(char kind, int start) {
    Matcher raw = RAW.matcher(source).region(at, source.length());
    if (kind == '%' && raw.lookingAt()) {
      return raw(raw, start);
    }
    add(kind == '{' ? Kind.PRINT : Kind.STATEMENT, "", line(start));
    String close = kind == '{' ? "}}" : "%}";
    int depth = 0;
    while (true) {
      while (at < source.length() && Character.isWhitespace(source.charAt(at))) {
        at++;
      }
      if (at >= source.length()) {
        throw error("a tag that does not end", start);
      }
      char c = source.charAt(at);
      boolean signed = c == '-' || (c == '+' && kind == '%');
      if (depth == 0 && source.startsWith(close, signed ? at + 1 : at)) {
        add(Kind.END, "", line(at));
        at += signed ? 3 : 2;
        return signed ? c : ' ';
      }
      depth += c == '{' || c == '(' || c == '[' ? 1 : c == '}' || c == ')' || c == ']' ? -1 : 0;
      token(c);
    }
  }

  private char raw(Matcher raw, int start) {
    Matcher end = END_RAW.matcher(source);
    if (!end.find(raw.end())) {
      throw error("a raw block that does not end", start);
    }
    add(Kind.TEXT, source.substring(raw.end(), end.start()), line(start));
    at = end.end();
    return end.group(1).isEmpty() ? ' ' : end.group(1).charAt(0);
  }

  private void token(char c) {
    int line = line(at);
    if (c == '\'' || c == '"') {
      add(Kind.STRING, string(c), line);
      return;
    }
    Matcher number = NUMBER.matcher(source).region(at, source.length());
    Matcher name = NAME.matcher(source).region(at, source.length());
    Matcher operator = OPERATOR.matcher(source).region(at, source.length());
    if (number.lookingAt()) {
      boolean whole = number.group("float").isEmpty();
      add(whole ? Kind.INTEGER : Kind.FLOAT, number.group().replace("_", ""), line);
      at = number.end();
    } else if (name.lookingAt()) {
      add(Kind.NAME, name.group(), line);
      at = name.end();
    } else if (operator.lookingAt()) {
      add(Kind.OPERATOR, operator.group(), line);
      at = operator.end();
    } else {
      throw error("unexpected '" + c + "'", at);
    }
  }

  private String string(char quote) {
    int start = at++;
    StringBuilder value = new StringBuilder();
    while (at < source.length() && source.charAt(at) != quote) {
      char c = source.charAt(at++);
      value.append(c == '\\' && at < source.length() ? escaped() : String.valueOf(c));
    }
    if (at++ >= source.length()) {
      throw error("a string that does not end", start);
    }
    return value.toString();
  }

  private String escaped() {
    char c = source.charAt(at++);
    int digits = c == 'u' ? 4 : c == 'x' ? 2 : c == 'U' ? 8 : 0;
    if (digits == 0) {
      boolean itself = c == '\\' || c == '\'' || c == '"';
      return ESCAPES.getOrDefault(c, itself ? String.valueOf(c) : "\\" + c);
    }
    try {
      int code = Integer.parseInt(source.substring(at, at + digits), 16);
      at += digits;
      return Character.toString(code);
    } catch (IndexOutOfBoundsException | IllegalArgumentException e) {
      throw error("\\" + c + " needs " + digits + " hexadecimal digits", at);
    }
  }
}
