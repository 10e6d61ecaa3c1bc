package io.peft4j.server;

import java.time.Duration;

/** Whether a server still takes requests, and how many it is working on. */
final class Lifecycle {

  private int working;
  private boolean ending;
  private volatile boolean cutting;

  /** {@return whether a request may begin; if so, {@link #end} has to follow} */
  synchronized boolean begin() {
    if (ending) {
      return false;
    }
    working++;
    return true;
  }

  synchronized void end() {
    working--;
    notifyAll();
  }

  synchronized boolean isEnding() {
    return ending;
  }

  synchronized int working() {
    return working;
  }

  /** {@return whether requests that still run have to end without an answer} */
  boolean isCutting() {
    return cutting;
  }

  /** Takes no more requests, and waits for those that run; {@return how many are left} */
  synchronized int drain(Duration grace) throws InterruptedException {
    ending = true;
    return await(grace);
  }

  /** Ends those that are left; {@return how many have not noticed in time} */
  int cut(Duration patience) throws InterruptedException {
    cutting = true;
    synchronized (this) {
      return await(patience);
    }
  }

  private int await(Duration time) throws InterruptedException {
    long end = System.nanoTime() + time.toNanos();
    while (working > 0) {
      long left = (end - System.nanoTime()) / 1_000_000;
      if (left <= 0) {
        break;
      }
      wait(left);
    }
    return working;
  }
}
