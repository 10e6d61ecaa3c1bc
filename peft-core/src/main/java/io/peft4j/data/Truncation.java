package io.peft4j.data;

import java.util.Locale;

/**
 * What a limit on length cost a data set.
 *
 * @param examples how many were shortened
 * @param tokens how many tokens they lost
 * @param ofExamples how many examples there were
 * @param ofTokens how many tokens they had
 * @param dropped how many of the shortened ones were left out since nothing to learn was left
 */
public record Truncation(int examples, long tokens, int ofExamples, long ofTokens, int dropped) {

  /** {@return both together} */
  public Truncation plus(Truncation other) {
    return new Truncation(
        examples + other.examples,
        tokens + other.tokens,
        ofExamples + other.ofExamples,
        ofTokens + other.ofTokens,
        dropped + other.dropped);
  }

  /** {@return whether anything was lost} */
  public boolean any() {
    return examples > 0;
  }

  /** {@return for people, e.g. {@code cut 3 of 100 examples, 51 of 9,000 tokens (0.6%)}} */
  public String summary() {
    String left = dropped == 0 ? "" : String.format(Locale.ROOT, "; left out %,d of them", dropped);
    return String.format(
        Locale.ROOT,
        "cut %,d of %,d examples, %,d of %,d tokens (%.1f%%)%s",
        examples,
        ofExamples,
        tokens,
        ofTokens,
        100.0 * tokens / Math.max(1, ofTokens),
        left);
  }
}
