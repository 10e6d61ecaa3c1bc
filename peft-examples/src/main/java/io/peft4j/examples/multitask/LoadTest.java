package io.peft4j.examples.multitask;

import io.peft4j.serve.AdapterRouter;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.IntFunction;

/**
 * Requests of client threads, at several loads: all for one adapter of a base ({@link #ALONE}), for
 * its adapters in turn ({@link #MIXED}), and for as many fully tuned models in turn, each with a
 * router of its own ({@link #MODELS}).
 *
 * @param base with the adapters
 * @param models of the tasks, in their order
 * @param tasks the adapters' names
 * @param requests of each load
 */
public record LoadTest(
    AdapterRouter base, List<AdapterRouter> models, List<String> tasks, int requests) {

  public static final String ALONE = "one adapter";
  public static final String MIXED = "all adapters, mixed";
  public static final String MODELS = "a model each, mixed";

  /** Asks for something. */
  @FunctionalInterface
  public interface Asking {

    /**
     * {@return what is answered}
     *
     * @param adapter null for none
     * @param number of the request; that of its task is {@code number % tasks}
     */
    CompletableFuture<?> ask(AdapterRouter router, String adapter, int task, int number);
  }

  /** {@return what each kind of serving took with so many clients each} */
  public List<Latency> run(List<Integer> loads, Asking asking) {
    int n = tasks.size();
    IntFunction<CompletableFuture<?>> alone = i -> asking.ask(base, tasks.get(0), 0, i);
    IntFunction<CompletableFuture<?>> mixed = i -> asking.ask(base, tasks.get(i % n), i % n, i);
    IntFunction<CompletableFuture<?>> each = i -> asking.ask(models.get(i % n), null, i % n, i);
    List<Latency> found = new ArrayList<>();
    measure("warm-up", 2, 2 * n, mixed);
    measure("warm-up", 2, 2 * n, each);
    for (int clients : loads) {
      found.add(measure(ALONE, clients, requests, alone));
      found.add(measure(MIXED, clients, requests, mixed));
      found.add(measure(MODELS, clients, requests, each));
    }
    return found;
  }

  /**
   * {@return what requests took that so many threads make, one after another each}
   *
   * @throws CompletionException if one failed
   */
  static Latency measure(
      String served, int clients, int requests, IntFunction<CompletableFuture<?>> asking) {
    long[] nanos = new long[requests];
    AtomicInteger next = new AtomicInteger();
    ExecutorService threads = Executors.newFixedThreadPool(clients);
    try {
      long start = System.nanoTime();
      List<CompletableFuture<Void>> running = new ArrayList<>();
      for (int client = 0; client < clients; client++) {
        running.add(CompletableFuture.runAsync(() -> client(nanos, next, asking), threads));
      }
      running.forEach(CompletableFuture::join);
      return Latency.of(served, clients, nanos, System.nanoTime() - start);
    } finally {
      threads.shutdownNow();
    }
  }

  private static void client(
      long[] nanos, AtomicInteger next, IntFunction<CompletableFuture<?>> asking) {
    for (int i = next.getAndIncrement(); i < nanos.length; i = next.getAndIncrement()) {
      long start = System.nanoTime();
      asking.apply(i).join();
      nanos[i] = System.nanoTime() - start;
    }
  }
}
