package io.peft4j.quant.soak;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.ReadWriteLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;

/**
 * The process of a soak: some threads draw operations from seeded random numbers; from time to time
 * all of them pause, and what the process holds is measured. Prints a line of each measurement, and
 * in the end of each count; ends with 1 and a stack trace as soon as anything is wrong.
 *
 * <p>Arguments: folder to work in, the folder in it whose files fail, the file that steers the
 * faults, the golden files, seconds to run, seconds between measurements, seed.
 */
final class SoakRun {

  private static final int THREADS = 4;

  private final Operations operations;
  private final ReadWriteLock pause = new ReentrantReadWriteLock(true);
  private final AtomicReference<Throwable> failed = new AtomicReference<>();
  private final AtomicLong done = new AtomicLong();
  private volatile boolean ending;

  private SoakRun(Operations operations) {
    this.operations = operations;
  }

  public static void main(String[] arguments) throws Exception {
    Path faulty = Files.createDirectories(Path.of(arguments[1]));
    DiskFaults faults = new DiskFaults(Path.of(arguments[2]));
    try (Operations operations =
        new Operations(Path.of(arguments[0]), faulty, Path.of(arguments[3]), faults)) {
      new SoakRun(operations)
          .run(
              Long.parseLong(arguments[4]),
              Long.parseLong(arguments[5]),
              Long.parseLong(arguments[6]));
    }
  }

  private void run(long seconds, long every, long seed) throws Exception {
    List<Thread> threads = new ArrayList<>();
    for (int t = 0; t < THREADS; t++) {
      Random random = new Random(seed * 1000 + t);
      Path own = operations.own(t);
      Thread thread = new Thread(() -> work(random, own), "soak-" + t);
      thread.start();
      threads.add(thread);
    }
    long start = System.nanoTime();
    for (long next = every; next <= seconds && failed.get() == null; next += every) {
      while (System.nanoTime() - start < next * 1_000_000_000L && failed.get() == null) {
        Thread.sleep(50);
      }
      measure((System.nanoTime() - start) / 1_000_000_000L);
    }
    ending = true;
    for (Thread thread : threads) {
      thread.join();
    }
    operations.counts().print();
    if (failed.get() != null) {
      failed.get().printStackTrace();
      System.exit(1);
    }
  }

  private void work(Random random, Path own) {
    while (!ending && failed.get() == null) {
      pause.readLock().lock();
      try {
        operations.runOne(random, own);
        done.incrementAndGet();
      } catch (Throwable e) {
        failed.compareAndSet(null, e);
      } finally {
        pause.readLock().unlock();
      }
    }
  }

  private void measure(long second) throws IOException {
    pause.writeLock().lock();
    try {
      operations.rest();
      System.out.println(Measurement.now(second, done.get(), operations.anyModel()).line());
    } finally {
      pause.writeLock().unlock();
    }
  }
}
