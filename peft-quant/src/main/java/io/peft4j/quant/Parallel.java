package io.peft4j.quant;

import java.util.stream.IntStream;

/** Work on consecutive units, in ranges long enough to be worth a task. */
final class Parallel {
  /** Elements a task takes: long against its scratch arrays, short against the cores' share. */
  private static final int TASK_ELEMENTS = 1 << 18;

  private Parallel() {}

  /** Work on the units {@code [from, to)}. */
  @FunctionalInterface
  interface Range {
    void run(int from, int to);
  }

  /**
   * Runs {@code range} over {@code [0, units)} on the common pool and this thread, and returns when
   * all of it is done.
   *
   * @param unitElements how many elements a unit is
   */
  static void run(int units, int unitElements, Range range) {
    int perTask = Math.max(1, TASK_ELEMENTS / Math.max(1, unitElements));
    int tasks = (int) (((long) units + perTask - 1) / perTask);
    IntStream.range(0, tasks)
        .parallel()
        .forEach(
            task -> {
              int from = task * perTask;
              range.run(from, (int) Math.min(units, (long) from + perTask));
            });
  }
}
