package io.peft4j.adapter.regex;

import java.util.Locale;
import java.util.function.IntPredicate;

/** Reads the characters of a {@link PythonRegex}: escapes, sets in brackets, numbers, flags. */
abstract class PythonRegexScanner {

  private static final String FLAGS = "aimsuxL";

  /** The largest number of repetitions that Python counts. */
  private static final long MAX_REPEAT = 4_294_967_295L;

  /** Flags as they are at a place: {@code a i m s x}. */
  record Flags(boolean ascii, boolean ignoreCase, boolean lines, boolean dot, boolean free) {
    Flags with(String on, String off) {
      return new Flags(
          on.indexOf('a') >= 0 || (ascii && on.indexOf('u') < 0),
          (ignoreCase || on.indexOf('i') >= 0) && off.indexOf('i') < 0,
          (lines || on.indexOf('m') >= 0) && off.indexOf('m') < 0,
          (dot || on.indexOf('s') >= 0) && off.indexOf('s') < 0,
          (free || on.indexOf('x') >= 0) && off.indexOf('x') < 0);
    }
  }

  final int[] text;
  int at;
  Flags flags = new Flags(false, false, false, false, false);

  private final String expression;

  PythonRegexScanner(String expression) {
    this.expression = expression;
    this.text = expression.codePoints().toArray();
  }

  final IllegalArgumentException wrong(String what, int position) {
    return new IllegalArgumentException(
        String.format(
            Locale.ROOT,
            "'%s' is not a regular expression of Python's: %s at position %d",
            PythonRegex.shown(expression),
            what,
            position));
  }

  final boolean looking(String ahead) {
    for (int i = 0; i < ahead.length(); i++) {
      if (at + i >= text.length || text[at + i] != ahead.charAt(i)) {
        return false;
      }
    }
    return true;
  }

  final boolean take(String ahead) {
    boolean there = looking(ahead);
    at += there ? ahead.length() : 0;
    return there;
  }

  final int next(String missing) {
    if (at >= text.length) {
      throw wrong(missing, at);
    }
    return text[at++];
  }

  final boolean skipBlank() {
    if (" \t\n\r\f\u000b".indexOf(text[at]) >= 0) {
      at++;
      return true;
    }
    if (text[at] != '#') {
      return false;
    }
    while (at < text.length && text[at] != '\n') {
      at++;
    }
    return true;
  }

  final boolean skipComment() {
    while (next("missing ), unterminated comment") != ')') {
      continue;
    }
    return true;
  }

  /** Takes flags, if there are some. */
  final String flags(boolean off) {
    int from = at;
    while (at < text.length && FLAGS.indexOf(text[at]) >= 0) {
      at++;
    }
    String given = new String(text, from, at - from);
    if (given.indexOf('L') >= 0) {
      throw wrong("bad inline flags: L is for bytes", from);
    }
    if (off ? given.matches(".*[au].*") : given.indexOf('a') >= 0 && given.indexOf('u') >= 0) {
      throw wrong("bad inline flags: a and u exclude each other", from);
    }
    return given;
  }

  final String digits() {
    int start = at;
    while (at < text.length && text[at] >= '0' && text[at] <= '9') {
      at++;
    }
    return new String(text, start, at - start);
  }

  final long count(String digits, int position) {
    if (digits.length() > 10 || Long.parseLong(digits) >= MAX_REPEAT) {
      throw wrong("the repetition number is too large", position);
    }
    return Long.parseLong(digits);
  }

  /** {@return {@code set} with the other case of what it has, where case is ignored} */
  final IntPredicate folding(IntPredicate set) {
    if (!flags.ignoreCase) {
      return set;
    }
    boolean ascii = flags.ascii;
    return c -> {
      if (set.test(c) || (ascii && c > 127)) {
        return set.test(c);
      }
      int upper = Character.toUpperCase(c);
      int lower = Character.toLowerCase(c);
      return set.test(upper)
          || set.test(lower)
          || set.test(Character.toLowerCase(upper))
          || set.test(Character.toUpperCase(lower));
    };
  }

  final IntPredicate category(int c) {
    boolean ascii = flags.ascii;
    return switch (c) {
      case 'd' -> ascii ? x -> x >= '0' && x <= '9' : Character::isDigit;
      case 'w' -> word(ascii);
      case 's' ->
          x ->
              (x >= 9 && x <= 13)
                  || x == ' '
                  || (!ascii
                      && ((x >= 0x1c && x <= 0x1f) || x == 0x85 || Character.isSpaceChar(x)));
      case 'D', 'W', 'S' -> category(Character.toLowerCase(c)).negate();
      default -> null;
    };
  }

  /** Letters, whatever counts as a number, and the underscore. */
  static IntPredicate word(boolean ascii) {
    return c ->
        c == '_'
            || (ascii && c > 127
                ? false
                : Character.isLetterOrDigit(c)
                    || Character.getType(c) == Character.LETTER_NUMBER
                    || Character.getType(c) == Character.OTHER_NUMBER);
  }

  final IntPredicate brackets(int start) {
    boolean negated = take("^");
    IntPredicate set = c -> false;
    int first = at;
    while (at == first || !looking("]")) {
      int from = at;
      int low = next("unterminated character set");
      IntPredicate category = null;
      if (low == '\\') {
        category = category(next("bad escape (end of pattern)"));
        at = from + 1;
        low = category == null ? character(true) : text[at++];
      }
      if (looking("-") && at + 1 < text.length && text[at + 1] != ']') {
        at++;
        int high = next("unterminated character set");
        if (high == '\\') {
          boolean another = category(next("bad escape (end of pattern)")) != null;
          at--;
          high = another ? -1 : character(true);
        }
        if (category != null || high < low) {
          throw wrong("bad character range", from);
        }
        int least = low;
        int most = high;
        set = set.or(c -> c >= least && c <= most);
      } else {
        int only = low;
        set = set.or(category != null ? category : c -> c == only);
      }
      if (at >= text.length) {
        throw wrong("unterminated character set", start);
      }
    }
    at++;
    IntPredicate any = folding(set);
    return negated ? any.negate() : any;
  }

  /** The character that an escape stands for, from behind its backslash. */
  final int character(boolean inBrackets) {
    int start = at - 1;
    int c = next("bad escape (end of pattern)");
    switch (c) {
      case 'a':
        return 7;
      case 'f':
        return '\f';
      case 'n':
        return '\n';
      case 'r':
        return '\r';
      case 't':
        return '\t';
      case 'v':
        return 11;
      case 'x':
        return hexadecimal(2, start);
      case 'u':
        return hexadecimal(4, start);
      case 'U':
        return hexadecimal(8, start);
      case 'b':
        if (inBrackets) {
          return '\b';
        }
        break;
      default:
        break;
    }
    if (c >= '0' && c <= '7' && (inBrackets || c == '0')) {
      int value = c - '0';
      for (int i = 0; i < 2 && at < text.length && text[at] >= '0' && text[at] <= '7'; i++) {
        value = 8 * value + text[at++] - '0';
      }
      if (value > 255) {
        throw wrong("octal escape outside of range 0-0o377", start);
      }
      return value;
    }
    if (c < 128 && Character.isLetterOrDigit(c)) {
      throw wrong("bad escape \\" + Character.toString(c), start);
    }
    return c;
  }

  private int hexadecimal(int length, int start) {
    int value = 0;
    for (int i = 0; i < length; i++) {
      int digit = Character.digit(next("incomplete escape"), 16);
      if (digit < 0 || value > 0x10ffff) {
        throw wrong("incomplete escape", start);
      }
      value = 16 * value + digit;
    }
    return value;
  }
}
