package io.peft4j.serve;

import java.util.Arrays;
import java.util.List;

/**
 * How often what was measured fell between two bounds.
 *
 * @param bounds upper ones, inclusive, rising
 * @param counts of each bound's interval alone, and of what lies above the last: one more
 * @param count of all
 * @param sum of all
 */
public record Histogram(List<Double> bounds, List<Long> counts, long count, double sum) {

  /** {@return a bound that {@code share} of what was measured does not exceed; NaN of nothing} */
  public double quantile(double share) {
    long seen = 0;
    for (int i = 0; i < bounds.size(); i++) {
      seen += counts.get(i);
      if (count > 0 && seen >= share * count) {
        return bounds.get(i);
      }
    }
    return count == 0 ? Double.NaN : Double.POSITIVE_INFINITY;
  }

  /** What is being measured. Thread-safe. */
  static final class Meter {
    private final double[] bounds;
    private final long[] counts;
    private long count;
    private double sum;

    Meter(double... bounds) {
      this.bounds = bounds;
      this.counts = new long[bounds.length + 1];
    }

    /** {@return one for seconds, from a millisecond to two minutes} */
    static Meter seconds() {
      return new Meter(
          0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120);
    }

    /** {@return one for how many there are in a batch} */
    static Meter rows() {
      return new Meter(1, 2, 4, 8, 16, 24, 32, 48, 64, 128);
    }

    synchronized void add(double value) {
      int at = Arrays.binarySearch(bounds, value);
      counts[at < 0 ? -at - 1 : at]++;
      count++;
      sum += value;
    }

    synchronized Histogram snapshot() {
      return new Histogram(
          Arrays.stream(bounds).boxed().toList(),
          Arrays.stream(counts).boxed().toList(),
          count,
          sum);
    }
  }
}
