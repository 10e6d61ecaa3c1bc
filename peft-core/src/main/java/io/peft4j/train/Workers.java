package io.peft4j.train;

import io.peft4j.adapter.AdapterMix;
import io.peft4j.adapter.method.Adapter;
import io.peft4j.adapter.method.AdapterConfig;
import io.peft4j.adapter.method.AdapterMethods;
import io.peft4j.model.Model;
import io.peft4j.torch.DropoutMask;
import io.peft4j.torch.IntraOp;
import io.peft4j.train.TrainingArguments.GradientCheckpointing;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.IntUnaryOperator;
import java.util.stream.IntStream;

/**
 * One thread, or two that run one half of a batch each at the same time. The operations of a small
 * model are too short to share one among processors: two halves side by side take less time than
 * one whole on two processors.
 *
 * <p>Two both add to the same gradients. A sum of two does not depend on their order, so results
 * are reproducible as long as gradients start at zero and each tensor gets one from each half.
 */
final class Workers implements AutoCloseable {

  static final int COUNT = 2;

  /** Runs some of a batch's examples forward and backward. */
  @FunctionalInterface
  interface Part {
    double run(int[] examples, long dropoutKey);
  }

  private final ExecutorService threads;
  private final int threadsBefore = IntraOp.threads();

  /** As many as the arguments ask for; where they leave it open, two if that suits the run. */
  static Workers of(Model model, AdapterMix trained, TrainingArguments arguments) {
    boolean mayOverlap = model.passesMayOverlap();
    if (arguments.workers() > 1 && !mayOverlap) {
      throw new IllegalArgumentException(
          "workers: expected 1 for a base that is streamed or on a GPU, found "
              + arguments.workers());
    }
    if (arguments.workers() > 0) {
      return new Workers(arguments.workers(), model.uses()::help);
    }
    boolean suits =
        mayOverlap
            && arguments.gradientAccumulationSteps() == 1
            && arguments.gradientCheckpointing() != GradientCheckpointing.AUTO
            && trained.adapters().values().stream().allMatch(adapter -> once(adapter, model));
    return new Workers(suits ? COUNT : 1, model.uses()::help);
  }

  /** {@return whether each tensor acts in one place; a saved embedding may also be the head} */
  private static boolean once(Adapter adapter, Model model) {
    AdapterConfig config = adapter.config();
    return AdapterMethods.named(config.peftType()).actsOnce()
        && (model.modules().outputEmbedding().isEmpty()
            || config.targets().modulesToSave() == null);
  }

  /**
   * @param count 1, which is the thread that calls, or {@value #COUNT}
   * @param starting what each thread does first
   */
  Workers(int count, Runnable starting) {
    if (count == 1) {
      threads = null;
      return;
    }
    int each = Math.max(1, threadsBefore / COUNT);
    threads =
        Executors.newFixedThreadPool(
            COUNT,
            work ->
                new Thread(
                    () -> {
                      IntraOp.setThreads(each);
                      starting.run();
                      work.run();
                    },
                    "peft-worker"));
  }

  int count() {
    return threads == null ? 1 : COUNT;
  }

  /**
   * Runs {@code examples}: two workers divide them into halves of like length.
   *
   * @param length of an example in tokens
   * @return the sum of what the parts return
   * @throws RuntimeException what a part throws, when both have ended
   */
  double sum(int[] examples, IntUnaryOperator length, long dropoutKey, Part part) {
    if (threads == null) {
      return part.run(examples, dropoutKey);
    }
    List<int[]> halves = halves(examples, length);
    List<Callable<Double>> calls = new ArrayList<>();
    for (int i = 0; i < halves.size(); i++) {
      int[] half = halves.get(i);
      long key = DropoutMask.mix(dropoutKey, i);
      calls.add(() -> part.run(half, key));
    }
    double sum = 0;
    for (Future<Double> result : runAll(calls)) {
      try {
        sum += result.get();
      } catch (ExecutionException e) {
        if (e.getCause() instanceof Error error) {
          throw error;
        }
        throw (RuntimeException) e.getCause();
      } catch (InterruptedException e) {
        throw new IllegalStateException("a finished call does not block", e);
      }
    }
    return sum;
  }

  /** Waits for all, whatever happens: no native memory may be freed under a running operation. */
  private List<Future<Double>> runAll(List<Callable<Double>> calls) {
    List<Future<Double>> results = calls.stream().map(threads::submit).toList();
    boolean interrupted = false;
    for (Future<Double> result : results) {
      while (!result.isDone()) {
        try {
          result.get();
        } catch (InterruptedException e) {
          interrupted = true;
        } catch (ExecutionException e) {
          break; // sum() throws it when the others are done
        }
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
    return results;
  }

  /** Longest first, each to the half that has less; a single example is one half only. */
  static List<int[]> halves(int[] examples, IntUnaryOperator length) {
    int[] longestFirst =
        Arrays.stream(examples)
            .boxed()
            .sorted((a, b) -> length.applyAsInt(b) - length.applyAsInt(a))
            .mapToInt(Integer::intValue)
            .toArray();
    List<IntStream.Builder> halves = List.of(IntStream.builder(), IntStream.builder());
    long[] load = new long[COUNT];
    for (int example : longestFirst) {
      int lighter = load[0] <= load[1] ? 0 : 1;
      halves.get(lighter).add(example);
      load[lighter] += length.applyAsInt(example);
    }
    return halves.stream()
        .map(half -> half.build().toArray())
        .filter(half -> half.length > 0)
        .toList();
  }

  @Override
  public void close() {
    if (threads != null) {
      threads.shutdown();
      IntraOp.setThreads(threadsBefore); // what threads to come take over
    }
  }
}
