package io.peft4j.adapter.regex;

import java.util.Arrays;
import java.util.Locale;
import java.util.Map;

/**
 * A regular expression as Python's {@code re} (3.11) has it for texts, where adapter configs come
 * from. Its syntax and meaning are not those of {@link java.util.regex}: {@code (?P<n>…)}, {@code
 * \Z}, {@code (?(1)…)}, {@code {,n}}, brackets that hold a {@code [} or {@code &&}, and words of
 * any script. And its effort is bounded, which neither's is: a config may come from anybody.
 */
public final class PythonRegex {

  /** How long an expression may be; one that lists all modules of a model has some thousands. */
  static final int MAX_LENGTH = 100_000;

  /** Steps that one match may take; what tells modules' names apart takes some hundreds. */
  private static final int STEPS = 500_000;

  /** Steps that all matches of one {@link Budget} may take together: a second or two. */
  private static final long ALL_STEPS = 200_000_000;

  /** As deep as a match may recurse, which names of modules are far too short for. */
  private static final int DEPTH = 1_000;

  /** What several expressions may take together. */
  public static final class Budget {
    private long left = ALL_STEPS;
  }

  /** What is matched from {@code at} on, and then {@code next} behind it. */
  interface Node {
    boolean match(Run run, int at, Next next);
  }

  /** What has to match behind a node. */
  interface Next {
    boolean from(int at);
  }

  /** One attempt: text and groups. */
  static final class Run {
    final int[] text;

    /** Start and end of each group; -1 where it has not matched. */
    final int[] groups;

    private final String expression;
    private final Budget budget;
    private int steps;
    private int depth;

    private Run(String expression, Budget budget, int[] text, int groups) {
      this.expression = expression;
      this.budget = budget;
      this.text = text;
      this.groups = new int[2 * groups];
      Arrays.fill(this.groups, -1);
    }

    /** Counts a step of the match. */
    void step() {
      if (++steps > STEPS) {
        throw tooMuch("more than " + STEPS + " steps");
      }
      if (--budget.left < 0) {
        throw tooMuch("with what was matched before more than " + ALL_STEPS + " steps");
      }
    }

    boolean enter(Node node, int at, Next next) {
      step();
      if (++depth > DEPTH) {
        throw tooMuch("a depth of more than " + DEPTH);
      }
      try {
        return node.match(this, at, next);
      } finally {
        depth--;
      }
    }

    private IllegalArgumentException tooMuch(String what) {
      return new IllegalArgumentException(
          String.format(
              Locale.ROOT,
              "'%s' takes %s to match '%s'; write it more simply",
              shown(expression),
              what,
              new String(text, 0, text.length)));
    }
  }

  private final String expression;
  private final Budget budget;
  private final Node root;
  private final int groups;
  private final Map<String, Integer> names;

  private PythonRegex(String expression, Budget budget, PythonRegexParser parser) {
    this.expression = expression;
    this.budget = budget;
    this.root = parser.parse();
    this.groups = parser.groups();
    this.names = parser.names();
  }

  /**
   * @throws IllegalArgumentException if Python would not compile {@code expression}; the message
   *     says what is wrong with it, and where
   */
  public static PythonRegex compile(String expression) {
    return compile(expression, new Budget());
  }

  /** As {@link #compile(String)}, for one of several expressions. */
  public static PythonRegex compile(String expression, Budget budget) {
    if (expression.length() > MAX_LENGTH) {
      throw new IllegalArgumentException(
          String.format(
              Locale.ROOT,
              "'%s' is too long for a regular expression: expected at most %d characters, found %d",
              shown(expression),
              MAX_LENGTH,
              expression.length()));
    }
    return new PythonRegex(expression, budget, new PythonRegexParser(expression));
  }

  static String shown(String expression) {
    return expression.length() <= 200 ? expression : expression.substring(0, 200) + "…";
  }

  /** {@return whether all of {@code text} matches, as {@code re.fullmatch} has it} */
  public boolean matches(String text) {
    return run(text, true) != null;
  }

  /**
   * {@return what the group matched where {@code text} starts with a match, as {@code re.match} has
   * it; null if there is none}
   */
  public String groupAtStart(String text, String group) {
    Run run = run(text, false);
    int start = run == null ? -1 : run.groups[2 * names.get(group)];
    return start < 0
        ? null
        : new String(run.text, start, run.groups[2 * names.get(group) + 1] - start);
  }

  private Run run(String text, boolean whole) {
    Run run = new Run(expression, budget, text.codePoints().toArray(), groups);
    return run.enter(root, 0, at -> !whole || at == run.text.length) ? run : null;
  }
}
