package io.peft4j.adapter.regex;

import io.peft4j.adapter.regex.PythonRegex.Next;
import io.peft4j.adapter.regex.PythonRegex.Node;
import io.peft4j.adapter.regex.PythonRegex.Run;
import java.util.List;
import java.util.function.BiPredicate;
import java.util.function.IntPredicate;

/**
 * A part of a {@link PythonRegex} and how many characters it takes.
 *
 * @param set what its one character may be, where it is that; else null
 * @param most {@link Long#MAX_VALUE} for any number
 */
record PythonRegexPart(Node node, IntPredicate set, long least, long most, Kind kind) {

  enum Kind {
    ITEM,
    /** A place, such as the end of a word, which cannot be repeated. */
    PLACE,
    /** Repeated already, and not to be repeated again. */
    REPEATED
  }

  private static PythonRegexPart item(Node node, long least, long most) {
    return new PythonRegexPart(node, null, least, most, Kind.ITEM);
  }

  /** One character. */
  static PythonRegexPart one(IntPredicate set) {
    Node node =
        (run, from, next) ->
            from < run.text.length && set.test(run.text[from]) && next.from(from + 1);
    return new PythonRegexPart(node, set, 1, 1, Kind.ITEM);
  }

  static PythonRegexPart place(BiPredicate<int[], Integer> here) {
    Node node = (run, from, next) -> here.test(run.text, from) && next.from(from);
    return new PythonRegexPart(node, null, 0, 0, Kind.PLACE);
  }

  static PythonRegexPart nothing() {
    return item((run, from, next) -> next.from(from), 0, 0);
  }

  static PythonRegexPart sequence(List<PythonRegexPart> parts) {
    Node[] nodes = parts.stream().map(PythonRegexPart::node).toArray(Node[]::new);
    return item(
        nodes.length == 1 ? nodes[0] : (run, from, next) -> chain(nodes, 0, run, from, next),
        parts.stream().mapToLong(PythonRegexPart::least).reduce(0, PythonRegexPart::sum),
        parts.stream().mapToLong(PythonRegexPart::most).reduce(0, PythonRegexPart::sum));
  }

  private static boolean chain(Node[] nodes, int i, Run run, int from, Next next) {
    return i == nodes.length
        ? next.from(from)
        : run.enter(nodes[i], from, to -> chain(nodes, i + 1, run, to, next));
  }

  static PythonRegexPart choice(List<PythonRegexPart> parts) {
    Node[] nodes = parts.stream().map(PythonRegexPart::node).toArray(Node[]::new);
    return item(
        (run, from, next) -> {
          for (Node node : nodes) {
            if (run.enter(node, from, next)) {
              return true;
            }
          }
          return false;
        },
        parts.stream().mapToLong(PythonRegexPart::least).min().orElseThrow(),
        parts.stream().mapToLong(PythonRegexPart::most).max().orElseThrow());
  }

  /** {@code yes} where the group has matched, else {@code no}. */
  static PythonRegexPart conditional(int group, PythonRegexPart yes, PythonRegexPart no) {
    return item(
        (run, from, next) -> run.enter(run.groups[2 * group] >= 0 ? yes.node : no.node, from, next),
        Math.min(yes.least, no.least),
        Math.max(yes.most, no.most));
  }

  PythonRegexPart captured(int group) {
    return item(
        (run, from, next) ->
            run.enter(
                node,
                from,
                to -> {
                  int first = run.groups[2 * group];
                  int last = run.groups[2 * group + 1];
                  run.groups[2 * group] = from;
                  run.groups[2 * group + 1] = to;
                  if (next.from(to)) {
                    return true;
                  }
                  run.groups[2 * group] = first;
                  run.groups[2 * group + 1] = last;
                  return false;
                }),
        least,
        most);
  }

  /** What {@code group}, which is this, has matched, once more. */
  PythonRegexPart again(int group, boolean ignoreCase) {
    return item(
        (run, from, next) -> {
          int start = run.groups[2 * group];
          int length = run.groups[2 * group + 1] - start;
          if (start < 0 || from + length > run.text.length) {
            return false;
          }
          for (int i = 0; i < length; i++) {
            run.step();
            if (!same(run.text[start + i], run.text[from + i], ignoreCase)) {
              return false;
            }
          }
          return next.from(from + length);
        },
        least,
        most);
  }

  private static boolean same(int a, int b, boolean ignoreCase) {
    return a == b || (ignoreCase && Character.toLowerCase(a) == Character.toLowerCase(b));
  }

  /** A look at whether this matches ahead, or behind. */
  PythonRegexPart look(boolean behind, boolean wanted) {
    return item(
        (run, from, next) -> {
          long begin = behind ? from - least : from;
          int[] before = run.groups.clone();
          boolean found = begin >= 0 && run.enter(node, (int) begin, to -> !behind || to == from);
          if (found && !wanted) {
            System.arraycopy(before, 0, run.groups, 0, before.length);
          }
          if (found == wanted && next.from(from)) {
            return true;
          }
          System.arraycopy(before, 0, run.groups, 0, before.length);
          return false;
        },
        0,
        0);
  }

  /** The first way in which this matches, and no other. */
  PythonRegexPart atomic() {
    return item(atomic(node), least, most);
  }

  private static Node atomic(Node node) {
    return (run, from, next) -> {
      int[] end = {-1};
      int[] before = run.groups.clone();
      boolean found =
          run.enter(
              node,
              from,
              to -> {
                end[0] = to;
                return true;
              });
      if (found && next.from(end[0])) {
        return true;
      }
      System.arraycopy(before, 0, run.groups, 0, before.length);
      return false;
    };
  }

  PythonRegexPart repeated(long atLeast, long atMost, boolean lazy, boolean possessive) {
    Node repeat =
        set != null && !lazy
            ? (run, from, next) -> run(set, atLeast, atMost, run, from, next)
            : new Repeat(node, atLeast, atMost, lazy);
    return new PythonRegexPart(
        possessive ? atomic(repeat) : repeat,
        null,
        product(least, atLeast),
        product(most, atMost),
        Kind.REPEATED);
  }

  /** As many characters of a set as there are, or fewer. */
  private static boolean run(
      IntPredicate set, long least, long most, Run run, int from, Next next) {
    int to = from;
    while (to < run.text.length && to - from < most && set.test(run.text[to])) {
      run.step();
      to++;
    }
    for (; to - from >= least; to--) {
      run.step();
      if (next.from(to)) {
        return true;
      }
    }
    return false;
  }

  /** A part several times. An empty repetition ends it, since all others would be empty too. */
  private record Repeat(Node node, long least, long most, boolean lazy) implements Node {

    @Override
    public boolean match(Run run, int at, Next next) {
      return from(0, run, at, next);
    }

    private boolean from(long count, Run run, int at, Next next) {
      if (lazy && count >= least && next.from(at)) {
        return true;
      }
      boolean more =
          count < most
              && run.enter(
                  node,
                  at,
                  to -> {
                    if (to == at) {
                      return count < least && next.from(at);
                    }
                    return from(count + 1, run, to, next);
                  });
      return more || (!lazy && count >= least && next.from(at));
    }
  }

  private static long sum(long a, long b) {
    long sum = a + b;
    return sum < 0 ? Long.MAX_VALUE : sum;
  }

  private static long product(long a, long b) {
    return a == 0 || b == 0 ? 0 : a > Long.MAX_VALUE / b ? Long.MAX_VALUE : a * b;
  }
}
