package io.peft4j.serve;

import java.time.Duration;
import java.util.ArrayDeque;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The one thread that runs the model, and the requests that wait for it. What kind of work it does
 * is up to the subclass, whose methods run on that thread.
 */
abstract class Engine<W extends Waiting> {

  private static final Logger LOGGER = LoggerFactory.getLogger(Engine.class);

  /** How long requests are looked at again though nothing happened: deadlines pass in silence. */
  private static final long NAP = 50;

  /** How long an adapter waits for room before others wait for it. */
  private static final long PATIENCE = TimeUnit.SECONDS.toNanos(2);

  private final Object lock = new Object();
  private final FairQueue<W> queue = new FairQueue<>();
  private final Queue<Runnable> commands = new ArrayDeque<>();
  private final int capacity;
  private final Thread thread;
  protected final AdapterRegistry registry;
  protected final AdapterShelf shelf;
  protected final Meters meters;
  private boolean started;
  private boolean closing;
  private boolean stopping;
  private boolean stopped;
  private int cutOff;
  private double perSecond;
  private long lastDone;

  /**
   * @param capacity requests that may wait
   */
  Engine(AdapterRegistry registry, AdapterShelf shelf, Meters meters, int capacity) {
    this.registry = registry;
    this.shelf = shelf;
    this.meters = meters;
    this.capacity = capacity;
    this.thread = new Thread(this::loop, "peft4j-router");
    this.thread.setDaemon(true);
  }

  /** Does some of the work there is; {@return whether there is more} */
  abstract boolean work();

  /** {@return whether requests are under way} */
  abstract boolean running();

  /**
   * Ends all requests that are under way.
   *
   * @param why null where they are cancelled
   * @return how many
   */
  abstract int cut(RuntimeException why);

  /** Frees what the thread has made. */
  abstract void release();

  void start() {
    synchronized (lock) {
      started = true;
    }
    thread.start();
  }

  /**
   * Lets a request wait.
   *
   * @throws RejectedException if too many do, or the engine is being closed
   */
  void submit(W request) {
    synchronized (lock) {
      if (closing) {
        meters.rejected.increment();
        throw new RejectedException("the router is being closed", null);
      }
      if (queue.size() >= capacity) {
        meters.rejected.increment();
        throw new RejectedException(
            String.format(Locale.ROOT, "%d requests are waiting, as many as may", queue.size()),
            retryAfter());
      }
      meters.requests.increment();
      queue.add(request);
      lock.notifyAll();
    }
  }

  /** {@return how long half of the queue is expected to take} */
  private Duration retryAfter() {
    double seconds = perSecond == 0 ? 1 : queue.size() / perSecond / 2;
    return Duration.ofSeconds((long) Math.ceil(Math.max(1, Math.min(60, seconds))));
  }

  /** Counts requests that have ended, to know how fast they do. */
  protected void done(int count) {
    synchronized (lock) {
      long now = System.nanoTime();
      if (lastDone != 0 && count > 0) {
        double rate = count * 1e9 / Math.max(1, now - lastDone);
        perSecond = perSecond == 0 ? rate : 0.9 * perSecond + 0.1 * rate;
      }
      lastDone = now;
    }
  }

  int queued() {
    synchronized (lock) {
      return queue.size();
    }
  }

  /** Has the thread look at its requests. */
  void wake() {
    synchronized (lock) {
      lock.notifyAll();
    }
  }

  /** Has something done on the model's thread. */
  void command(Runnable what) {
    synchronized (lock) {
      commands.add(what);
      lock.notifyAll();
    }
  }

  /**
   * Takes requests out of the queue, each adapter's line in turn, until {@code taker} takes no
   * more; their adapters are in use then.
   */
  protected void admit(Taker<W> taker) {
    Set<String> skipped = new HashSet<>();
    while (taker.wantsMore()) {
      W request;
      synchronized (lock) {
        request = queue.poll(skipped);
      }
      if (request == null) {
        return;
      }
      AdapterVersion version = null;
      try {
        AdapterVersion found = registry.find(request.adapterName());
        if (!shelf.hasRoom(found)) {
          putBack(request, skipped);
          if (System.nanoTime() - request.submitted() > PATIENCE) {
            return;
          }
          continue;
        }
        shelf.use(found);
        version = found;
        if (!taker.take(request, found)) {
          shelf.release(found);
          putBack(request, skipped);
          return;
        }
      } catch (RuntimeException e) {
        if (version != null) {
          shelf.release(version);
        }
        request.fail(e);
      }
    }
  }

  /** Takes requests whose adapters are in memory. */
  interface Taker<W> {
    boolean wantsMore();

    /** {@return whether it was taken; if not it is asked for again later} */
    boolean take(W request, AdapterVersion version);
  }

  private void putBack(W request, Set<String> skipped) {
    synchronized (lock) {
      queue.putBack(request, skipped);
    }
  }

  private void loop() {
    try {
      while (true) {
        boolean more;
        try {
          runCommands();
          dropEnded();
          more = work();
        } catch (RuntimeException | Error e) {
          LOGGER.error("the router's thread failed in a step, whose requests end", e);
          cut(e instanceof RuntimeException why ? why : new IllegalStateException(e));
          more = false;
        }
        synchronized (lock) {
          if (stopping) {
            return;
          }
          lock.notifyAll(); // who closes waits for the last request
          if (!more && commands.isEmpty()) {
            lock.wait(NAP);
          }
        }
      }
    } catch (InterruptedException e) {
      LOGGER.error("the router's thread was interrupted", e);
    } finally {
      end();
    }
  }

  private void runCommands() {
    while (true) {
      Runnable command;
      synchronized (lock) {
        command = commands.poll();
      }
      if (command == null) {
        return;
      }
      command.run();
    }
  }

  private void dropEnded() {
    long now = System.nanoTime();
    List<W> ended;
    synchronized (lock) {
      ended = queue.removeIf(request -> request.cancelled() || request.late(now));
    }
    for (W request : ended) {
      request.end(
          request.cancelled()
              ? GenerationResult.Finish.CANCELLED
              : GenerationResult.Finish.DEADLINE);
    }
  }

  private void end() {
    int count = 0;
    try {
      count = cut(null);
      List<W> left;
      synchronized (lock) {
        closing = true;
        left = queue.removeIf(request -> true);
      }
      count += left.size();
      left.forEach(request -> request.fail(new RejectedException("the router was closed", null)));
      release();
      shelf.close();
    } finally {
      synchronized (lock) {
        stopped = true;
        cutOff = count;
        lock.notifyAll();
      }
    }
  }

  /**
   * Takes no more requests, and ends the thread when those there are have ended, or {@code grace}
   * is over.
   *
   * @return how many were cut off
   */
  int close(Duration grace) {
    long end = System.nanoTime() + grace.toNanos();
    boolean interrupted = false;
    int count;
    synchronized (lock) {
      closing = true;
      boolean first = !stopping;
      while (!stopped && (queue.size() > 0 || running()) && System.nanoTime() < end) {
        try {
          lock.wait(Math.max(1, (end - System.nanoTime()) / 1_000_000));
        } catch (InterruptedException e) {
          interrupted = true;
          break;
        }
      }
      stopping = true;
      lock.notifyAll();
      while (started && !stopped) {
        try {
          lock.wait();
        } catch (InterruptedException e) {
          interrupted = true; // a step of the model is not left halfway
        }
      }
      count = first ? cutOff : 0;
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
    return count;
  }
}
