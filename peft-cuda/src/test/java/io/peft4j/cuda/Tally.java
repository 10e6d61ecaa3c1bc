package io.peft4j.cuda;

import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * How many combinations of kernel, shape, type and thread order were checked, printed at the end.
 */
final class Tally {
  private static final Map<String, AtomicInteger> CHECKED = new TreeMap<>();

  static {
    Runtime.getRuntime()
        .addShutdownHook(
            new Thread(
                () -> {
                  int sum = CHECKED.values().stream().mapToInt(AtomicInteger::get).sum();
                  System.err.println(
                      "kernels x shapes x types checked on the stand-in: " + sum + " " + CHECKED);
                }));
  }

  private Tally() {}

  static synchronized void count(String operation) {
    CHECKED.computeIfAbsent(operation, key -> new AtomicInteger()).incrementAndGet();
  }
}
