package io.peft4j.serve;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeoutException;

/** A text on its way to being classified. */
final class Classification implements Waiting {

  private final ClassificationRequest request;
  private final String adapterName;
  private final CompletableFuture<Classified> result = new CompletableFuture<>();
  private final Executor threads;
  private final Meters meters;
  private final long submitted = System.nanoTime();

  /**
   * @param threads where what depends on the result runs
   */
  Classification(
      ClassificationRequest request, String adapterName, Executor threads, Meters meters) {
    this.request = request;
    this.adapterName = adapterName;
    this.threads = threads;
    this.meters = meters;
  }

  ClassificationRequest request() {
    return request;
  }

  CompletableFuture<Classified> result() {
    return result;
  }

  @Override
  public String adapterName() {
    return adapterName;
  }

  @Override
  public long submitted() {
    return submitted;
  }

  @Override
  public boolean late(long now) {
    return request.deadline() != null && now - submitted > request.deadline().toNanos();
  }

  @Override
  public boolean cancelled() {
    return result.isCancelled();
  }

  @Override
  public void end(GenerationResult.Finish finish) {
    if (finish == GenerationResult.Finish.DEADLINE) {
      meters.expired.increment();
      threads.execute(
          () -> result.completeExceptionally(new TimeoutException("the deadline is over")));
    } else {
      meters.cancelled.increment();
      threads.execute(() -> result.cancel(false));
    }
  }

  @Override
  public void fail(RuntimeException why) {
    meters.failed.increment();
    threads.execute(() -> result.completeExceptionally(why));
  }

  void begin() {
    meters.queueWait.add((System.nanoTime() - submitted) / 1e9);
  }

  void complete(Classified found) {
    meters.completed.increment();
    meters.latency.add((System.nanoTime() - submitted) / 1e9);
    threads.execute(() -> result.complete(found));
  }
}
