package io.peft4j.examples.multitask;

import java.util.Arrays;
import java.util.List;

/**
 * How long requests took, seen by their clients.
 *
 * @param served what answered, see {@link LoadTest}
 * @param clients threads, each of which asks again when it has its answer
 * @param requests of all of them
 * @param p50 milliseconds that half of the requests did not exceed
 * @param p95 of 95 in a hundred
 * @param p99 of 99 in a hundred; with less than a hundred requests the slowest
 * @param perSecond requests answered a second
 */
public record Latency(
    String served,
    int clients,
    int requests,
    double p50,
    double p95,
    double p99,
    double perSecond) {

  /** Of a run that took {@code total} nanoseconds, its requests {@code nanos} each. */
  static Latency of(String served, int clients, long[] nanos, long total) {
    long[] sorted = nanos.clone();
    Arrays.sort(sorted);
    return new Latency(
        served,
        clients,
        nanos.length,
        quantile(sorted, 0.5),
        quantile(sorted, 0.95),
        quantile(sorted, 0.99),
        nanos.length / (total / 1e9));
  }

  /** The smallest of {@code sorted} that a share of them does not exceed, in milliseconds. */
  private static double quantile(long[] sorted, double share) {
    int rank = (int) Math.ceil(share * sorted.length);
    return sorted[Math.max(0, rank - 1)] / 1e6;
  }

  /** {@return p50, p95 and p99} */
  List<Double> quantiles() {
    return List.of(p50, p95, p99);
  }
}
