package io.peft4j.data;

import java.util.Arrays;
import java.util.Comparator;
import java.util.Random;
import java.util.stream.IntStream;

/** Splits a dataset into a part to train on and a part held out. */
public final class Splits {
  private Splits() {}

  /**
   * The two parts; each keeps the order of the whole.
   *
   * @param train what is left to train on
   * @param heldOut what was held out
   */
  public record Split(TextDataset train, TextDataset heldOut) {}

  /**
   * Holds out {@code round(fraction * size)} examples chosen by {@code seed}. For a single-label
   * task every class gives its share, the roundings going to the largest remainders, and keeps at
   * least one example to train on; for the others the choice is plainly random.
   *
   * @param fraction the part to hold out, between 0 and 1
   * @throws IllegalArgumentException if a part would be empty
   */
  public static Split stratified(TextDataset data, double fraction, long seed) {
    int total = data.size();
    int wanted = fraction > 0 && fraction < 1 ? (int) Math.round(fraction * total) : 0;
    if (wanted == 0 || wanted == total) {
      throw new IllegalArgumentException(
          "holding out "
              + fraction
              + " of the "
              + total
              + " examples of "
              + data.source()
              + " leaves a part empty");
    }
    Random random = new Random(EpochOrder.mix(seed));
    int[][] groups = groups(data);
    int[] counts = share(groups, wanted, total);
    boolean[] held = new boolean[total];
    for (int g = 0; g < groups.length; g++) {
      EpochOrder.shuffle(groups[g], random);
      for (int i = 0; i < counts[g]; i++) {
        held[groups[g][i]] = true;
      }
    }
    int[] train = IntStream.range(0, total).filter(i -> !held[i]).toArray();
    int[] heldOut = IntStream.range(0, total).filter(i -> held[i]).toArray();
    if (heldOut.length == 0) {
      throw new IllegalArgumentException(
          data.source() + " has no class with an example to spare for holding out");
    }
    return new Split(data.subset(train), data.subset(heldOut));
  }

  private static int[][] groups(TextDataset data) {
    if (data.task() != Task.SINGLE_LABEL) {
      return new int[][] {EpochOrder.sequential(data.size())};
    }
    return IntStream.range(0, data.labelNames().size())
        .mapToObj(
            id -> IntStream.range(0, data.size()).filter(i -> data.labelId(i) == id).toArray())
        .toArray(int[][]::new);
  }

  /** How many of each group to hold out: largest remainders, never a whole group. */
  private static int[] share(int[][] groups, int wanted, int total) {
    double[] quota =
        Arrays.stream(groups).mapToDouble(g -> (double) wanted * g.length / total).toArray();
    int[] counts =
        IntStream.range(0, groups.length)
            .map(g -> (int) Math.min(quota[g], Math.max(0, groups[g].length - 1)))
            .toArray();
    int[] byRemainder =
        IntStream.range(0, groups.length)
            .boxed()
            .sorted(Comparator.comparingDouble(g -> counts[g] - quota[g]))
            .mapToInt(Integer::intValue)
            .toArray();
    int missing = wanted - Arrays.stream(counts).sum();
    boolean given = true;
    while (missing > 0 && given) {
      given = false;
      for (int g : byRemainder) {
        if (missing > 0 && counts[g] < groups[g].length - 1) {
          counts[g]++;
          missing--;
          given = true;
        }
      }
    }
    return counts;
  }
}
