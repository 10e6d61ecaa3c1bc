package io.peft4j.serve;

import io.peft4j.generate.GrowingText;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.Executor;

/**
 * Brings the tokens of one request to its listener and its future, on threads that are not the
 * model's. What text they make, and whether a stop string has come, is found out here too. The
 * model's thread leaves tokens in a buffer that has an end.
 */
final class Delivery implements Runnable {

  /** Tokens that a listener may be behind. */
  static final int BUFFER = 4096;

  /** What comes out of the model. */
  record Item(int token, double logprob, List<GeneratedToken.Top> top, boolean ends) {}

  private final GenerationRequest request;
  private final GenerationHandle handle;
  private final GrowingText text;
  private final Meters meters;
  private final Executor threads;
  private final Runnable closed;
  private final long submitted = System.nanoTime();
  private final Deque<Item> buffer = new ArrayDeque<>();
  private final List<GeneratedToken> told = new ArrayList<>();
  private int[] ids = {};
  private boolean scheduled;
  private boolean done;
  private GenerationResult.Finish finish;
  private RuntimeException failure;
  private AdapterVersion version;
  private long begun;
  private long first;

  /**
   * @param text null where there is no codec
   * @param closed is run when all is told
   */
  Delivery(
      GenerationRequest request,
      GenerationHandle handle,
      GrowingText text,
      Meters meters,
      Executor threads,
      Runnable closed) {
    this.request = request;
    this.handle = handle;
    this.text = text;
    this.meters = meters;
    this.threads = threads;
    this.closed = closed;
  }

  long submitted() {
    return submitted;
  }

  /** Says which adapter it has begun with. */
  synchronized void begin(AdapterVersion with) {
    version = with;
    begun = System.nanoTime();
    meters.queueWait.add((begun - submitted) / 1e9);
  }

  /** {@return whether more may come: false where the buffer is full} */
  synchronized boolean offer(Item item) {
    if (buffer.size() >= BUFFER) {
      return false;
    }
    if (first == 0) {
      first = System.nanoTime();
      meters.firstToken.add((first - submitted) / 1e9);
    }
    meters.generatedTokens.increment();
    buffer.add(item);
    schedule();
    return true;
  }

  /** Says that no more comes. */
  synchronized void finish(GenerationResult.Finish why) {
    if (finish == null && failure == null) {
      finish = why;
      schedule();
    }
  }

  synchronized void fail(RuntimeException why) {
    if (finish == null && failure == null) {
      failure = why;
      schedule();
    }
  }

  /** {@return whether it needs no more tokens: a stop string has come, or nobody listens} */
  synchronized boolean done() {
    return done;
  }

  private void schedule() {
    if (!scheduled && !done) {
      scheduled = true;
      threads.execute(this);
    }
  }

  @Override
  public void run() {
    while (true) {
      Item item;
      synchronized (this) {
        item = buffer.poll();
        if (item == null) {
          scheduled = false;
          if (done || (finish == null && failure == null)) {
            return;
          }
          done = true;
        }
      }
      if (item == null) {
        end();
        return;
      }
      try {
        tell(item);
      } catch (RuntimeException | Error e) {
        stop(null, new IllegalStateException("the listener failed: " + e, e));
      }
      if (done()) {
        end();
        return;
      }
    }
  }

  private void tell(Item item) {
    ids = Arrays.copyOf(ids, ids.length + 1);
    ids[ids.length - 1] = item.token;
    String news = "";
    if (text != null) {
      news = text.update(item.ends ? Arrays.copyOf(ids, ids.length - 1) : ids);
      if (text.stopped()) {
        stop(GenerationResult.Finish.STOP, null);
        news += text.finish();
      }
    }
    GeneratedToken token =
        new GeneratedToken(told.size(), item.token, news, item.logprob, item.top);
    told.add(token);
    if (request.listener() != null) {
      request.listener().onToken(token);
    }
  }

  private synchronized void stop(GenerationResult.Finish why, RuntimeException wrong) {
    done = true;
    finish = why;
    failure = wrong;
    buffer.clear();
  }

  private void end() {
    closed.run();
    GenerationResult.Finish why;
    RuntimeException wrong;
    synchronized (this) {
      why = finish;
      wrong = failure;
    }
    if (wrong != null) {
      meters.failed.increment();
      handle.result().completeExceptionally(wrong);
      return;
    }
    String rest = text == null ? "" : text.finish();
    if (!rest.isEmpty() && !told.isEmpty()) {
      GeneratedToken last = told.get(told.size() - 1);
      GeneratedToken whole =
          new GeneratedToken(
              last.index(), last.token(), last.text() + rest, last.logprob(), last.top());
      told.set(told.size() - 1, whole);
    }
    count(why);
    handle.result().complete(result(why));
  }

  private void count(GenerationResult.Finish why) {
    switch (why) {
      case CANCELLED -> meters.cancelled.increment();
      case DEADLINE -> meters.expired.increment();
      case OVERRUN -> meters.failed.increment();
      default -> {
        meters.completed.increment();
        meters.latency.add((System.nanoTime() - submitted) / 1e9);
      }
    }
  }

  private synchronized GenerationResult result(GenerationResult.Finish why) {
    long now = System.nanoTime();
    boolean used = version != null && !version.isBase();
    return new GenerationResult(
        List.copyOf(told),
        text == null ? null : text.text(),
        why,
        used ? version.name() : null,
        used ? version.number() : 0,
        request.tokens().length,
        new GenerationResult.Timings(
            Duration.ofNanos((begun == 0 ? now : begun) - submitted),
            first == 0 ? null : Duration.ofNanos(first - submitted),
            Duration.ofNanos(now - submitted)));
  }
}
