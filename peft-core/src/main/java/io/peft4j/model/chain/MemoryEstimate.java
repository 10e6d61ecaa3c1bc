package io.peft4j.model.chain;

import java.util.List;
import java.util.Locale;

/**
 * What a training step is expected to hold at its peak, in bytes, by cause. It counts the tensors
 * that libtorch keeps for the backward pass, layer by layer; it is an estimate, good to some 20 %.
 *
 * @param process what the process holds beside all below: Java heap, adapters, converted weights,
 *     the libraries' own
 * @param weights pages of the checkpoint's files; with streaming, those of the largest layer
 * @param optimizer gradients and optimizer state of what is trained
 * @param inputs each differentiated layer's input, which is kept in any case
 * @param graphs what each of those layers keeps for its backward pass, from the lowest one up
 * @param work what one layer makes and does not keep, all of which lives until it has run
 * @param top logits, their gradient and the like, above the layers
 */
public record MemoryEstimate(
    long process,
    long weights,
    long optimizer,
    long inputs,
    List<Long> graphs,
    long work,
    long top) {

  /** Measured with glibc; with every block in pages of its own it is near none, and far slower. */
  private static final double FRAGMENTATION = 0.5;

  public MemoryEstimate {
    graphs = List.copyOf(graphs);
  }

  /**
   * {@return the expected peak where the {@code recomputed} lowest layers are run again} Either
   * when all graphs there are exist together, at the loss; or later, when a layer's is made again
   * and nothing else is left. What comes and goes leaves gaps in malloc's heap, which cost half as
   * much again.
   */
  public long peak(int recomputed) {
    long kept = graphs.stream().skip(recomputed).mapToLong(Long::longValue).sum();
    long again = graphs.stream().limit(recomputed).mapToLong(Long::longValue).max().orElse(0);
    long fixed = process + weights + optimizer + inputs;
    long changing = Math.max(kept + Math.max(top, work), again + work);
    return fixed + (long) ((1 + FRAGMENTATION) * changing);
  }

  /**
   * {@return the fewest layers to run again for the peak to stay within {@code budget} bytes; all
   * of them if it does not even so}
   */
  public int recomputedWithin(long budget) {
    int recomputed = 0;
    while (recomputed < graphs.size() && peak(recomputed) > budget) {
      recomputed++;
    }
    return recomputed;
  }

  @Override
  public String toString() {
    return String.format(
        Locale.ROOT,
        "process %d MiB + weights %d + optimizer %d + layers' inputs %d + graphs of %d layers %d"
            + " + work %d + head %d",
        process >> 20,
        weights >> 20,
        optimizer >> 20,
        inputs >> 20,
        graphs.size(),
        graphs.stream().mapToLong(Long::longValue).sum() >> 20,
        work >> 20,
        top >> 20);
  }
}
