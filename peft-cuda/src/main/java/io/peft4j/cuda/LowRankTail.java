package io.peft4j.cuda;

import java.util.Locale;

/**
 * A low-rank product to add: {@code z} times a factor of LoRA.
 *
 * @param z {@code [rows, stride]}, the first factor's product, scaled; zero beyond {@code rank}
 * @param factor forward {@code B [N, rank]}, backward {@code A [rank, K]}
 * @param rank of the adapter
 * @param stride elements from row to row of {@code z}, a multiple of eight and at least the rank
 */
public record LowRankTail(DeviceSpan z, DeviceSpan factor, int rank, int stride) {
  /** Checks the numbers. */
  public LowRankTail {
    if (rank < 1 || stride < rank || stride % 8 != 0) {
      throw new IllegalArgumentException(
          String.format(
              Locale.ROOT, "rank %d does not fit a stride of %d, a multiple of 8", rank, stride));
    }
  }

  /** The smallest stride for a rank. */
  public static int strideFor(int rank) {
    return (rank + 7) / 8 * 8;
  }
}
