package io.peft4j.model;

import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;

/**
 * Keeps apart those who run a model and those who change it: any number of threads may run it at
 * the same time; whoever closes it, merges, or switches adapters while another thread runs it gets
 * an exception, and nothing happens. Who wants to run it while it is being changed waits, unless it
 * is being trained, which takes long.
 *
 * <p>Thread-safe. A thread that changes a model may run it, and the other way round, so that a
 * change may consist of others.
 */
public final class Uses {

  /** What a thread does with the model, until it is closed. */
  public interface Use extends AutoCloseable {
    @Override
    void close();
  }

  private final boolean oneAtATime;
  private final Map<Thread, Integer> pins = new HashMap<>();
  private final Map<Thread, Integer> runs = new HashMap<>();
  private final Set<Thread> helpers = new HashSet<>();
  private Thread changer;
  private int changes;
  private String change;
  private boolean training;
  private boolean closed;

  /**
   * @param oneAtATime whether runs of several threads take turns
   */
  Uses(boolean oneAtATime) {
    this.oneAtATime = oneAtATime;
  }

  /** Runs the model, as soon as no other thread changes it. */
  synchronized Use run() {
    enter();
    while (oneAtATime && others(runs)) {
      await();
      enter();
    }
    return counted(runs);
  }

  /** Sees to it that no other thread changes the model, between runs too. */
  public synchronized Use pin() {
    enter();
    return counted(pins);
  }

  private void enter() {
    while (true) {
      checkOpen();
      if (changer == null || mine()) {
        return;
      }
      if (training) {
        throw new IllegalStateException(
            "the model is being trained by thread '" + changer.getName() + "'");
      }
      await();
    }
  }

  private boolean mine() {
    Thread thread = Thread.currentThread();
    return thread == changer || helpers.contains(thread);
  }

  private boolean others(Map<Thread, Integer> uses) {
    Thread thread = Thread.currentThread();
    return uses.keySet().stream().anyMatch(other -> other != thread && !helpers.contains(other));
  }

  /** Waits to be notified; an interrupt is left for those who care. */
  private void await() {
    boolean interrupted = false;
    try {
      wait();
    } catch (InterruptedException e) {
      interrupted = true;
    }
    if (interrupted) {
      // waiting again at once would spin: the change is short
      try {
        wait(1);
      } catch (InterruptedException e) {
        throw new IllegalStateException("interrupted while waiting for the model", e);
      } finally {
        Thread.currentThread().interrupt();
      }
    }
  }

  private Use counted(Map<Thread, Integer> uses) {
    Thread thread = Thread.currentThread();
    uses.merge(thread, 1, Integer::sum);
    return once(() -> uses.computeIfPresent(thread, (key, n) -> n == 1 ? null : n - 1));
  }

  /** {@return a use whose end is noticed once and by all} */
  private Use once(Runnable end) {
    boolean[] ended = {false};
    return () -> {
      synchronized (this) {
        if (!ended[0]) {
          ended[0] = true;
          end.run();
          notifyAll();
        }
      }
    };
  }

  /**
   * Changes the model.
   *
   * @param what in words that follow "cannot"
   * @throws IllegalStateException if another thread runs or changes it, or it is closed
   */
  public synchronized Use change(String what) {
    checkOpen();
    return closing(what);
  }

  /** As {@link #change}, but waits until it can be. */
  public synchronized Use changeInTurn(String what) {
    enter();
    while (others(runs) || others(pins)) {
      await();
      enter();
    }
    return change(what);
  }

  /** As {@link #change}, for what ends a use of the model, which may be closed already. */
  public synchronized Use closing(String what) {
    checkAlone(what);
    changer = Thread.currentThread();
    change = changes == 0 ? what : change;
    changes++;
    return once(this::endChange);
  }

  private void endChange() {
    changes--;
    if (changes == 0) {
      changer = null;
      change = null;
      training = false;
      helpers.clear();
    }
  }

  /** As {@link #change}, for as long as a training takes. */
  public synchronized Use train() {
    Use use = change("train it");
    training = true;
    return use;
  }

  /** Lets the present thread run what another one trains, until that has ended. */
  public synchronized void help() {
    helpers.add(Thread.currentThread());
  }

  private void checkAlone(String what) {
    if (changer != null && !mine()) {
      throw new IllegalStateException(
          "cannot " + what + ": thread '" + changer.getName() + "' is about to " + change);
    }
    if (others(runs) || others(pins)) {
      throw new IllegalStateException(
          "cannot " + what + ": another thread is running the model; wait until it has ended");
    }
  }

  synchronized void checkOpen() {
    if (closed) {
      throw new IllegalStateException("the model is closed");
    }
  }

  /**
   * Closes the model to all uses.
   *
   * @return whether it was open
   * @throws IllegalStateException if another thread runs or changes it
   */
  synchronized boolean close() {
    if (closed) {
      return false;
    }
    checkAlone("close the model");
    closed = true;
    notifyAll();
    return true;
  }
}
