package io.peft4j.data;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;

/**
 * Which examples each step of an epoch sees.
 *
 * @param batches for each step the indices of its examples; only the last may be short
 */
public record BatchPlan(List<int[]> batches) {
  private static final int MEGA_BATCHES = 50;

  public BatchPlan {
    batches = List.copyOf(batches);
  }

  /**
   * Batches that follow {@code order}.
   *
   * @param order the indices in the order of visiting, see {@link EpochOrder}
   * @param batchSize examples a batch
   */
  public static BatchPlan inOrder(int[] order, int batchSize) {
    checkBatchSize(batchSize);
    List<int[]> batches = new ArrayList<>();
    for (int start = 0; start < order.length; start += batchSize) {
      batches.add(Arrays.copyOfRange(order, start, Math.min(order.length, start + batchSize)));
    }
    return new BatchPlan(batches);
  }

  /**
   * Batches of similar length, as Hugging Face's {@code group_by_length} makes them ({@code
   * transformers.trainer_pt_utils.get_length_grouped_indices}): the order is cut into mega-batches
   * of 50 batches (fewer if the data has not four of those), each sorted by falling length, and the
   * longest example of all is moved to the very front, so that a lack of memory shows at once.
   *
   * @param lengths tokens of each example, by index
   * @param order the indices in random order, see {@link EpochOrder}
   * @param batchSize examples a batch
   */
  public static BatchPlan groupedByLength(int[] lengths, int[] order, int batchSize) {
    checkBatchSize(batchSize);
    if (order.length == 0) {
      return new BatchPlan(List.of());
    }
    int batchesEach = Math.max(1, Math.min(order.length / (batchSize * 4), MEGA_BATCHES));
    int mega = batchesEach * batchSize;
    int[] grouped = new int[order.length];
    int longestAt = 0;
    for (int start = 0; start < order.length; start += mega) {
      int[] sorted =
          Arrays.stream(order, start, Math.min(order.length, start + mega))
              .boxed()
              .sorted(Comparator.comparingInt(i -> -lengths[i])) // stable, as Python's sort is
              .mapToInt(Integer::intValue)
              .toArray();
      System.arraycopy(sorted, 0, grouped, start, sorted.length);
      if (lengths[grouped[start]] > lengths[grouped[longestAt]]) {
        longestAt = start;
      }
    }
    int first = grouped[0];
    grouped[0] = grouped[longestAt];
    grouped[longestAt] = first;
    return inOrder(grouped, batchSize);
  }

  /**
   * The tokens that are computed if every batch is padded to its longest example.
   *
   * @param lengths tokens of each example, by index
   */
  public long paddedTokens(int[] lengths) {
    return batches.stream()
        .mapToLong(
            batch ->
                (long) batch.length * Arrays.stream(batch).map(i -> lengths[i]).max().orElse(0))
        .sum();
  }

  private static void checkBatchSize(int batchSize) {
    if (batchSize < 1) {
      throw new IllegalArgumentException("batch size must be at least 1, found " + batchSize);
    }
  }
}
