package io.peft4j.cuda;

import java.util.function.Supplier;

/**
 * A kernel on given operands.
 *
 * @param name of the operation, type and shape
 * @param allowed the error that is still right
 * @param bytes that it must move
 * @param operations that it must do, where that is the bound; else 0
 * @param run queues it
 * @param results pairs of expected and found values, after the first run
 */
record Probe(
    String name,
    double allowed,
    double bytes,
    double operations,
    Runnable run,
    Supplier<float[][]> results) {

  /** The largest deviation, relative to the largest value; infinite if a value is NaN. */
  double error() {
    float[][] pairs = results.get();
    double worst = 0;
    for (int p = 0; p < pairs.length; p += 2) {
      double largest = 0;
      double deviation = 0;
      for (int i = 0; i < pairs[p].length; i++) {
        double difference = Math.abs((double) pairs[p][i] - pairs[p + 1][i]);
        if (!(difference <= Double.MAX_VALUE)) {
          return Double.POSITIVE_INFINITY;
        }
        largest = Math.max(largest, Math.abs(pairs[p][i]));
        deviation = Math.max(deviation, difference);
      }
      worst = Math.max(worst, largest == 0 ? deviation : deviation / largest);
    }
    return worst;
  }
}
