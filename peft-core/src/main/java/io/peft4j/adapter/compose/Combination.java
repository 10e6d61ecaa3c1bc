package io.peft4j.adapter.compose;

import io.peft4j.adapter.lora.MersenneTwister;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/**
 * How LoRA adapters become one: the values of {@code combination_type} of peft's {@code
 * add_weighted_adapter}. Those that end in {@code svd} act on whole updates B A and split the
 * result again, the others on the factors.
 */
public final class Combination {

  private final Type type;
  private final double density;
  private final int svdRank;
  private final double svdClamp;
  private final boolean frequency;
  private final long seed;

  /**
   * @throws IllegalArgumentException if a number is out of range
   */
  private Combination(
      Type type, double density, int svdRank, double svdClamp, boolean frequency, long seed) {
    if (!(density >= 0 && density <= 1)) {
      throw new IllegalArgumentException("density must be in [0, 1], found " + density);
    }
    if (svdRank < 0) {
      throw new IllegalArgumentException("svd_rank must not be negative, found " + svdRank);
    }
    if (!(svdClamp >= 0 && svdClamp <= 1)) {
      throw new IllegalArgumentException("svd_clamp must be in [0, 1], found " + svdClamp);
    }
    this.type = type;
    this.density = density;
    this.svdRank = svdRank;
    this.svdClamp = svdClamp;
    this.frequency = frequency;
    this.seed = seed;
  }

  /** {@return what is done} */
  public Type type() {
    return type;
  }

  /** {@return which share of the numbers survives pruning; 1 for all} */
  public double density() {
    return density;
  }

  /** {@return rank of the result of the forms with svd; 0 for the largest of the adapters'} */
  public int svdRank() {
    return svdRank;
  }

  /** {@return quantile at which the factors of those are clamped; 0 for none} */
  public double svdClamp() {
    return svdClamp;
  }

  /** {@return whether TIES counts signs, rather than adding up values} */
  public boolean frequency() {
    return frequency;
  }

  /** {@return of what DARE drops, as torch draws it} */
  public long seed() {
    return seed;
  }

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

  /** {@return a combination that prunes nothing} */
  public static Combination of(Type type) {
    return new Combination(type, 1, 0, 0, false, 0);
  }

  /** {@return the same done otherwise} */
  Combination withType(Type value) {
    return new Combination(value, density, svdRank, svdClamp, frequency, seed);
  }

  /** {@return the same with another density} */
  public Combination withDensity(double value) {
    return new Combination(type, value, svdRank, svdClamp, frequency, seed);
  }

  /** {@return the same with another rank of the forms with svd} */
  public Combination withSvdRank(int value) {
    return new Combination(type, density, value, svdClamp, frequency, seed);
  }

  /** {@return the same with factors clamped at another quantile} */
  public Combination withSvdClamp(double value) {
    return new Combination(type, density, svdRank, value, frequency, seed);
  }

  /** {@return the same with TIES counting signs, or not} */
  public Combination withFrequency(boolean value) {
    return new Combination(type, density, svdRank, svdClamp, value, seed);
  }

  /** {@return the same with DARE dropping others} */
  public Combination withSeed(long value) {
    return new Combination(type, density, svdRank, svdClamp, frequency, value);
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

  private List<Object> values() {
    return Arrays.asList(type, density, svdRank, svdClamp, frequency, seed);
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Combination that && values().equals(that.values());
  }

  @Override
  public int hashCode() {
    return values().hashCode();
  }

  @Override
  public String toString() {
    return "Combination" + values();
  }
}
