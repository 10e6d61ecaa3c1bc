package io.peft4j.adapter.compose;

import io.peft4j.adapter.lora.MersenneTwister;
import java.util.Arrays;
import java.util.Locale;

/**
 * How LoRA adapters become one: the values of {@code combination_type} of peft's {@code
 * add_weighted_adapter}. Those that end in {@code svd} act on whole updates B A and split the
 * result again, the others on the factors.
 *
 * @param type what is done
 * @param density which share of the numbers survives pruning; 1 for all
 * @param svdRank rank of the result of the forms with svd; 0 for the largest of the adapters'
 * @param svdClamp quantile at which the factors of those are clamped; 0 for none
 * @param frequency whether TIES counts signs, rather than adding up values
 * @param seed of what DARE drops, as torch draws it
 */
public record Combination(
    Type type, double density, int svdRank, double svdClamp, boolean frequency, long seed) {

  /** What is done to the numbers of several adapters. */
  public enum Type {
    /** Ranks add up; exact. */
    CAT,
    /** Weighted sum. */
    LINEAR,
    SVD,
    /** Yadav et al., 2023: prune, elect a sign, and average what agrees with it. */
    TIES,
    TIES_SVD,
    /** Yu et al., 2024: drop at random, scale up what is left, add. */
    DARE_LINEAR,
    DARE_LINEAR_SVD,
    /** The same, then TIES' election. */
    DARE_TIES,
    DARE_TIES_SVD,
    /** Drop what is small, add. */
    MAGNITUDE_PRUNE,
    MAGNITUDE_PRUNE_SVD;

    /**
     * {@return the type of peft's name, such as {@code dare_ties}}
     *
     * @throws IllegalArgumentException if there is none
     */
    public static Type named(String name) {
      for (Type type : values()) {
        if (type.name().equalsIgnoreCase(name)) {
          return type;
        }
      }
      throw new IllegalArgumentException(
          "expected a combination of "
              + Arrays.toString(values()).toLowerCase(Locale.ROOT)
              + ", found "
              + name);
    }

    /** {@return whether it acts on whole updates} */
    boolean ofUpdates() {
      return name().endsWith("SVD");
    }

    private boolean is(String prefix) {
      return name().startsWith(prefix);
    }
  }

  /**
   * @throws IllegalArgumentException if a number is out of range
   */
  public Combination {
    if (!(density >= 0 && density <= 1)) {
      throw new IllegalArgumentException("density must be in [0, 1], found " + density);
    }
    if (svdRank < 0) {
      throw new IllegalArgumentException("svd_rank must not be negative, found " + svdRank);
    }
    if (!(svdClamp >= 0 && svdClamp <= 1)) {
      throw new IllegalArgumentException("svd_clamp must be in [0, 1], found " + svdClamp);
    }
  }

  /** {@return a combination that prunes nothing} */
  public static Combination of(Type type) {
    return new Combination(type, 1, 0, 0, false, 0);
  }

  /** {@return the same with another density} */
  public Combination withDensity(double value) {
    return new Combination(type, value, svdRank, svdClamp, frequency, seed);
  }

  /**
   * {@return one array of several}
   *
   * @param tasks the numbers of each adapter, equally many
   * @param weights of the adapters
   * @param random what DARE drops by
   */
  float[] merge(float[][] tasks, double[] weights, MersenneTwister random) {
    float[][] pruned = new float[tasks.length][];
    for (int i = 0; i < tasks.length; i++) {
      pruned[i] =
          density >= 1 || type.is("LINEAR") || type == Type.SVD
              ? tasks[i]
              : type.is("DARE") ? dropped(tasks[i], random) : largest(tasks[i]);
    }
    return type.is("TIES") || type.is("DARE_TIES")
        ? elected(pruned, weights)
        : sum(pruned, weights);
  }

  private float[] dropped(float[] values, MersenneTwister random) {
    float[] left = new float[values.length];
    for (int i = 0; i < left.length; i++) {
      left[i] = random.nextFloat() < (float) density ? (float) (values[i] / density) : 0;
    }
    return left;
  }

  private float[] largest(float[] values) {
    int keep = (int) (density * values.length);
    float[] left = new float[values.length];
    java.util.stream.IntStream.range(0, values.length)
        .boxed()
        .sorted((a, b) -> Float.compare(Math.abs(values[b]), Math.abs(values[a])))
        .limit(keep)
        .forEach(i -> left[i] = values[i]);
    return left;
  }

  private static float[] sum(float[][] tasks, double[] weights) {
    float[] sum = new float[tasks[0].length];
    for (int i = 0; i < tasks.length; i++) {
      for (int j = 0; j < sum.length; j++) {
        sum[j] += tasks[i][j] * (float) weights[i];
      }
    }
    return sum;
  }

  private float[] elected(float[][] tasks, double[] weights) {
    float[] merged = new float[tasks[0].length];
    for (int j = 0; j < merged.length; j++) {
      float total = 0;
      for (float[] task : tasks) {
        total += frequency ? Math.signum(task[j]) : task[j];
      }
      float sign = total >= 0 ? 1 : -1;
      int agreeing = 0;
      for (int i = 0; i < tasks.length; i++) {
        if (Math.signum(tasks[i][j]) == sign) {
          merged[j] += tasks[i][j] * (float) weights[i];
          agreeing++;
        }
      }
      merged[j] /= Math.max(1, agreeing);
    }
    return merged;
  }
}
