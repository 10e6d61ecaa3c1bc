package io.peft4j.text.jinja;

import java.util.function.Supplier;

/**
 * What rendering one template may take. A template comes with a model from anywhere, and Jinja can
 * say in a line what takes years, or more memory than there is: so operations are counted, as are
 * the characters and items of what they make. The limits are far above what templates of models
 * need: a conversation of a million characters stays under a hundredth of them.
 */
final class Budget {

  /** Characters of a string, or of a template's source. */
  static final int LONGEST = 1 << 23;

  private static final long STEPS = 5_000_000;
  private static final long SIZE = 1L << 28;

  /** Of the rendering that runs in this thread: values do not know whom they belong to. */
  private static final ThreadLocal<Budget> CURRENT = new ThreadLocal<>();

  private long steps = STEPS;
  private long size = SIZE;

  private Budget() {}

  /** Runs {@code rendering} within a budget of its own. */
  static <T> T within(Supplier<T> rendering) {
    Budget before = CURRENT.get();
    CURRENT.set(new Budget());
    try {
      return rendering.get();
    } finally {
      if (before == null) {
        CURRENT.remove();
      } else {
        CURRENT.set(before);
      }
    }
  }

  /** Counts an operation. */
  static void step() {
    steps(1);
  }

  /** Counts operations, or an operation that takes as long as so many. */
  static void steps(long count) {
    Budget budget = CURRENT.get();
    if (budget != null && (budget.steps -= count) < 0) {
      throw new TemplateException(
          "the template takes more than " + STEPS + " operations, which no conversation needs");
    }
  }

  /**
   * Counts characters or items about to be made.
   *
   * @throws TemplateException if these, or all so far, are too many
   */
  static void make(long count) {
    checkLength(count);
    Budget budget = CURRENT.get();
    if (budget != null && (budget.size -= count) < 0) {
      throw new TemplateException(
          "the template makes texts and lists of more than " + SIZE + " characters and items");
    }
  }

  /**
   * @throws TemplateException if a text or list of {@code length} is longer than any may be
   */
  static void checkLength(long length) {
    if (length > LONGEST) {
      throw new TemplateException(
          "the template makes a text or list of "
              + length
              + " characters or items; at most "
              + LONGEST
              + " are allowed");
    }
  }

  /** Counts an operation that looks through a text. */
  static void scan(String text) {
    steps(1 + text.length() / 64);
  }

  /** {@return {@code text}, which has been made} */
  static String made(String text) {
    make(text.length());
    return text;
  }
}
