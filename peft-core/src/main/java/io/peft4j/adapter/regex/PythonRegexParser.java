package io.peft4j.adapter.regex;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.IntPredicate;

/** Makes the parts of a {@link PythonRegex} of its text. */
final class PythonRegexParser extends PythonRegexScanner {

  /** How deep groups may be in one another. */
  private static final int DEPTH = 100;

  private final Map<String, Integer> names = new LinkedHashMap<>();
  private final List<PythonRegexPart> closed = new ArrayList<>();
  private int depth;

  PythonRegexParser(String expression) {
    super(expression);
    closed.add(null); // group 0, the whole
  }

  PythonRegex.Node parse() {
    globalFlags();
    PythonRegexPart all = alternatives();
    if (at < text.length) {
      throw wrong("unbalanced parenthesis", at);
    }
    return all.node();
  }

  /** {@return how many groups there are, with the whole as one} */
  int groups() {
    return closed.size();
  }

  Map<String, Integer> names() {
    return names;
  }

  /** Takes {@code (?flags)}, which may only be where the expression starts. */
  private void globalFlags() {
    int start = at;
    while (take("(?")) {
      String given = flags(false);
      if (given.isEmpty() || !take(")")) {
        at = start;
        return;
      }
      flags = flags.with(given, "");
      start = at;
    }
  }

  private PythonRegexPart alternatives() {
    if (++depth > DEPTH) {
      throw wrong("groups in one another more than " + DEPTH + " deep", at);
    }
    List<PythonRegexPart> parts = new ArrayList<>();
    do {
      parts.add(sequence());
    } while (take("|"));
    depth--;
    return parts.size() == 1 ? parts.get(0) : PythonRegexPart.choice(parts);
  }

  private PythonRegexPart sequence() {
    List<PythonRegexPart> parts = new ArrayList<>();
    while (at < text.length && text[at] != '|' && text[at] != ')') {
      if ((flags.free() && skipBlank()) || (take("(?#") && skipComment())) {
        continue;
      }
      int from = at;
      long[] count = repetition();
      if (count == null) {
        parts.add(atom());
        continue;
      }
      PythonRegexPart last = parts.isEmpty() ? null : parts.remove(parts.size() - 1);
      if (last == null || last.kind() == PythonRegexPart.Kind.PLACE) {
        throw wrong("nothing to repeat", from);
      }
      if (last.kind() == PythonRegexPart.Kind.REPEATED) {
        throw wrong("multiple repeat", from);
      }
      boolean lazy = take("?");
      parts.add(last.repeated(count[0], count[1], lazy, !lazy && take("+")));
    }
    return PythonRegexPart.sequence(parts);
  }

  /** {@return how often what is before is to be taken, or null where nothing says so} */
  private long[] repetition() {
    if (take("*")) {
      return new long[] {0, Long.MAX_VALUE};
    }
    if (take("+")) {
      return new long[] {1, Long.MAX_VALUE};
    }
    if (take("?")) {
      return new long[] {0, 1};
    }
    int start = at;
    if (looking("{}") || !take("{")) {
      return null;
    }
    String low = digits();
    String high = take(",") ? digits() : low.isEmpty() ? "none" : low;
    if (high.equals("none") || !take("}")) {
      at = start;
      return null; // a brace as it is
    }
    long least = low.isEmpty() ? 0 : count(low, start);
    long most = high.isEmpty() ? Long.MAX_VALUE : count(high, start);
    if (most < least) {
      throw wrong("min repeat greater than max repeat", start);
    }
    return new long[] {least, most};
  }

  private PythonRegexPart atom() {
    int start = at;
    int c = text[at++];
    return switch (c) {
      case '.' -> PythonRegexPart.one(flags.dot() ? x -> true : x -> x != '\n');
      case '^' ->
          PythonRegexPart.place(
              flags.lines()
                  ? (all, here) -> here == 0 || all[here - 1] == '\n'
                  : (all, here) -> here == 0);
      case '$' ->
          PythonRegexPart.place(
              flags.lines()
                  ? (all, here) -> here == all.length || all[here] == '\n'
                  : (all, here) ->
                      here == all.length || (here == all.length - 1 && all[here] == '\n'));
      case '[' -> PythonRegexPart.one(brackets(start));
      case '(' -> group(start);
      case '\\' -> escape(start);
      default -> PythonRegexPart.one(folding(x -> x == c));
    };
  }

  private PythonRegexPart escape(int start) {
    int c = next("bad escape (end of pattern)");
    IntPredicate category = category(c);
    if (category != null) {
      return PythonRegexPart.one(category);
    }
    IntPredicate word = word(flags.ascii());
    switch (c) {
      case 'A':
        return PythonRegexPart.place((all, here) -> here == 0);
      case 'Z':
        return PythonRegexPart.place((all, here) -> here == all.length);
      case 'b':
        return PythonRegexPart.place((all, here) -> borders(word, all, here));
      case 'B':
        return PythonRegexPart.place((all, here) -> all.length > 0 && !borders(word, all, here));
      default:
        break;
    }
    if (c >= '1' && c <= '9') {
      at--;
      int number = (int) Math.min(99, Long.parseLong(digits().substring(0, 1)));
      at = start + 2;
      if (at < text.length && text[at] >= '0' && text[at] <= '9') {
        number = 10 * number + text[at++] - '0';
      }
      return same(number, start);
    }
    at--;
    int only = character(false);
    return PythonRegexPart.one(folding(x -> x == only));
  }

  private static boolean borders(IntPredicate word, int[] all, int here) {
    return (here > 0 && word.test(all[here - 1])) != (here < all.length && word.test(all[here]));
  }

  /** What a group has matched, once more. */
  private PythonRegexPart same(int group, int start) {
    if (group >= closed.size()) {
      throw wrong("invalid group reference " + group, start);
    }
    if (closed.get(group) == null) {
      throw wrong("cannot refer to an open group", start);
    }
    return closed.get(group).again(group, flags.ignoreCase());
  }

  private PythonRegexPart group(int start) {
    if (!take("?")) {
      return captured(null, start);
    }
    if (take("P<")) {
      return captured(name('>'), start);
    }
    if (take("P=")) {
      return same(groupNamed(name(')'), start), start);
    }
    if (take(":")) {
      return closed(alternatives(), start);
    }
    if (take(">")) {
      return closed(alternatives(), start).atomic();
    }
    boolean behind = looking("<=") || looking("<!");
    if (behind) {
      at++;
    }
    if (looking("=") || looking("!")) {
      boolean wanted = text[at++] == '=';
      return around(closed(alternatives(), start), behind, wanted, start);
    }
    if (take("(")) {
      return conditional(start);
    }
    String on = flags(false);
    if (!on.isEmpty() && looking(")")) {
      throw wrong("global flags not at the start of the expression", start);
    }
    boolean minus = take("-");
    String off = minus ? flags(true) : "";
    boolean twice = on.chars().anyMatch(flag -> off.indexOf(flag) >= 0);
    if (twice || (minus ? off : on).isEmpty() || !take(":")) {
      throw wrong("unknown extension of a group, or flags", start);
    }
    Flags outside = flags;
    flags = flags.with(on, off);
    PythonRegexPart part = closed(alternatives(), start);
    flags = outside;
    return part;
  }

  private String name(char end) {
    int from = at;
    while (next("missing " + end + ", unterminated name") != end) {
      continue;
    }
    String name = new String(text, from, at - 1 - from);
    if (!name.matches("[\\p{L}_][\\p{L}\\p{N}_]*")) {
      throw wrong("bad character in group name '" + name + "'", from);
    }
    return name;
  }

  private int groupNamed(String name, int start) {
    Integer group = names.get(name);
    if (group == null) {
      throw wrong("unknown group name '" + name + "'", start);
    }
    return group;
  }

  private PythonRegexPart closed(PythonRegexPart part, int start) {
    if (!take(")")) {
      throw wrong("missing ), unterminated subpattern", start);
    }
    return PythonRegexPart.sequence(List.of(part));
  }

  private PythonRegexPart captured(String name, int start) {
    int group = closed.size();
    closed.add(null);
    if (name != null && names.put(name, group) != null) {
      throw wrong("redefinition of group name '" + name + "'", start);
    }
    PythonRegexPart part = closed(alternatives(), start).captured(group);
    closed.set(group, part);
    return part;
  }

  private PythonRegexPart around(PythonRegexPart part, boolean behind, boolean wanted, int start) {
    if (behind && part.least() != part.most()) {
      throw wrong("look-behind requires fixed-width pattern", start);
    }
    return part.look(behind, wanted);
  }

  /** {@code (?(group)yes|no)}. */
  private PythonRegexPart conditional(int start) {
    int from = at;
    String digits = digits();
    int group =
        !digits.isEmpty() && take(")") ? (int) count(digits, from) : groupNamed(name(')'), from);
    if (group == 0 || group >= closed.size()) {
      throw wrong("invalid group reference " + group, from);
    }
    PythonRegexPart yes = sequence();
    PythonRegexPart no = take("|") ? sequence() : PythonRegexPart.nothing();
    if (looking("|")) {
      throw wrong("conditional backref with more than two branches", at);
    }
    return closed(PythonRegexPart.conditional(group, yes, no), start);
  }
}
