package io.peft4j.data;

import java.util.Random;

/**
 * The order in which an epoch visits the examples: a function of seed and epoch alone, so a resumed
 * run needs no generator state.
 */
public final class EpochOrder {
  private static final long GOLDEN_GAMMA = 0x9E3779B97F4A7C15L;

  private EpochOrder() {}

  /**
   * A permutation of 0 … n-1. The generator is {@link Random}, whose algorithm Java fixes for good,
   * seeded with SplitMix64's mix of seed and epoch so that neighbouring epochs are unrelated; the
   * shuffle is Fisher and Yates's, from the end.
   *
   * @param n the number of examples
   * @param seed the run's data seed
   * @param epoch the epoch, from 0
   */
  public static int[] permutation(int n, long seed, long epoch) {
    int[] order = sequential(n);
    shuffle(order, new Random(mix(mix(seed) + (epoch + 1) * GOLDEN_GAMMA)));
    return order;
  }

  /** The order of the file, 0 … n-1. */
  public static int[] sequential(int n) {
    int[] order = new int[n];
    for (int i = 0; i < n; i++) {
      order[i] = i;
    }
    return order;
  }

  static void shuffle(int[] values, Random random) {
    for (int i = values.length - 1; i > 0; i--) {
      int j = random.nextInt(i + 1);
      int swapped = values[i];
      values[i] = values[j];
      values[j] = swapped;
    }
  }

  /** SplitMix64's finalizer (Steele, Lea and Flood 2014, variant 13 of Stafford). */
  static long mix(long z) {
    z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
    z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
    return z ^ (z >>> 31);
  }
}
