package io.peft4j.train;

import java.util.ArrayDeque;

/** Examples and tokens a second, over the last seconds of training and over the whole run. */
final class Speed {

  private static final double WINDOW = 10;

  private record Mark(double seconds, long examples, long tokens) {}

  private final long start = System.nanoTime();
  private final ArrayDeque<Mark> marks = new ArrayDeque<>();
  private long paused;
  private long away;
  private long examples;
  private long tokens;

  Speed() {
    marks.add(new Mark(0, 0, 0));
  }

  void add(int moreExamples, int moreTokens) {
    examples += moreExamples;
    tokens += moreTokens;
    double now = trained();
    marks.add(new Mark(now, examples, tokens));
    while (marks.size() > 2 && now - marks.peekFirst().seconds > WINDOW) {
      marks.removeFirst();
    }
  }

  /** What is done meanwhile is no part of the speed: to evaluate, to write a checkpoint. */
  void pause() {
    paused = System.nanoTime();
  }

  /** Ends a {@link #pause}. */
  void resume() {
    away += System.nanoTime() - paused;
  }

  /** Seconds of training, without pauses. */
  private double trained() {
    return (System.nanoTime() - start - away) / 1e9;
  }

  double seconds() {
    return (System.nanoTime() - start) / 1e9;
  }

  double examplesLately() {
    return (examples - marks.peekFirst().examples) / secondsLately();
  }

  double tokensLately() {
    return (tokens - marks.peekFirst().tokens) / secondsLately();
  }

  private double secondsLately() {
    return Math.max(1e-9, marks.peekLast().seconds - marks.peekFirst().seconds);
  }

  double examplesPerSecond() {
    return examples / Math.max(1e-9, seconds());
  }

  double tokensPerSecond() {
    return tokens / Math.max(1e-9, seconds());
  }
}
