package io.peft4j.server;

import java.util.Arrays;
import java.util.Map;
import java.util.TreeMap;

/** What was answered, and how long it took. */
final class HttpMetrics {

  private static final double[] BOUNDS = {
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300
  };

  private final Map<String, Map<Integer, Long>> answered = new TreeMap<>();
  private final long[] counts = new long[BOUNDS.length + 1];
  private double seconds;

  /**
   * @param path one of the server's own, or "other"
   * @param status 0 where the client had gone before there was one
   */
  synchronized void add(String path, int status, double took) {
    answered.computeIfAbsent(path, key -> new TreeMap<>()).merge(status, 1L, Long::sum);
    int bucket = 0;
    while (bucket < BOUNDS.length && took > BOUNDS[bucket]) {
      bucket++;
    }
    counts[bucket]++;
    seconds += took;
  }

  synchronized void write(PrometheusText text) {
    String name = "peft_http_requests_total";
    text.metric(name, "counter", "Requests answered, by path and status; 0 where the client left.");
    answered.forEach(
        (path, byStatus) ->
            byStatus.forEach(
                (status, count) ->
                    text.sample(name, count, "path", path, "status", status.toString())));
    text.histogram(
        "peft_http_request_seconds",
        "From a request's arrival to the end of its answer.",
        Arrays.stream(BOUNDS).boxed().toList(),
        Arrays.stream(counts).boxed().toList(),
        seconds);
  }
}
