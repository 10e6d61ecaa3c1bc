package io.peft4j.serve;

import java.util.concurrent.atomic.LongAdder;

/** What a router counts. Thread-safe. */
final class Meters {

  final LongAdder requests = new LongAdder();
  final LongAdder completed = new LongAdder();
  final LongAdder cancelled = new LongAdder();
  final LongAdder expired = new LongAdder();
  final LongAdder failed = new LongAdder();
  final LongAdder rejected = new LongAdder();
  final LongAdder promptTokens = new LongAdder();
  final LongAdder generatedTokens = new LongAdder();
  final LongAdder reusedTokens = new LongAdder();
  final LongAdder hits = new LongAdder();
  final LongAdder misses = new LongAdder();
  final LongAdder evictions = new LongAdder();
  final LongAdder loadFailures = new LongAdder();
  final LongAdder preemptions = new LongAdder();

  final Histogram.Meter latency = Histogram.Meter.seconds();
  final Histogram.Meter firstToken = Histogram.Meter.seconds();
  final Histogram.Meter queueWait = Histogram.Meter.seconds();
  final Histogram.Meter step = Histogram.Meter.seconds();
  final Histogram.Meter batchRows = Histogram.Meter.rows();
  final Histogram.Meter batchAdapters = Histogram.Meter.rows();

  private volatile int running;
  private volatile long cacheBytes;
  private volatile int loaded;
  private volatile long adapterBytes;

  void running(int rows) {
    running = rows;
  }

  int running() {
    return running;
  }

  void cache(long bytes) {
    cacheBytes = bytes;
  }

  void loaded(int count, long bytes) {
    loaded = count;
    adapterBytes = bytes;
  }

  /**
   * {@return all of it}
   *
   * @param registered adapters
   */
  RouterMetrics snapshot(int queued, int registered, long cacheBudget, long adapterBudget) {
    return new RouterMetrics(
        new RouterMetrics.Counters(
            requests.sum(),
            completed.sum(),
            cancelled.sum(),
            expired.sum(),
            failed.sum(),
            rejected.sum(),
            promptTokens.sum(),
            generatedTokens.sum(),
            reusedTokens.sum(),
            hits.sum(),
            misses.sum(),
            evictions.sum(),
            loadFailures.sum(),
            preemptions.sum()),
        new RouterMetrics.Gauges(
            queued,
            running,
            cacheBytes,
            cacheBudget,
            adapterBytes,
            adapterBudget,
            registered,
            loaded),
        latency.snapshot(),
        firstToken.snapshot(),
        queueWait.snapshot(),
        step.snapshot(),
        batchRows.snapshot(),
        batchAdapters.snapshot());
  }
}
