package io.peft4j.generate;

import java.util.Arrays;

/** Arithmetic on scores; probabilities are double, since limits on them are compared. */
final class Scores {

  private Scores() {}

  static double[] softmax(float[] scores) {
    float max = max(scores);
    double[] probabilities = new double[scores.length];
    double sum = 0;
    for (int i = 0; i < scores.length; i++) {
      probabilities[i] = Math.exp((double) scores[i] - max);
      sum += probabilities[i];
    }
    for (int i = 0; i < scores.length; i++) {
      probabilities[i] /= sum;
    }
    return probabilities;
  }

  static void logSoftmax(float[] scores) {
    float max = max(scores);
    double sum = 0;
    for (float score : scores) {
      sum += Math.exp((double) score - max);
    }
    for (int i = 0; i < scores.length; i++) {
      scores[i] = (float) ((double) scores[i] - max - Math.log(sum));
    }
  }

  static float max(float[] scores) {
    float max = Float.NEGATIVE_INFINITY;
    for (float score : scores) {
      max = Math.max(max, score);
    }
    return max;
  }

  /** {@return the entropy in nats} */
  static double entropy(double[] probabilities) {
    return -Arrays.stream(probabilities).filter(p -> p > 0).map(p -> p * Math.log(p)).sum();
  }

  /** Not a number becomes 0, the infinities the ends of float's range. */
  static void makeFinite(float[] scores) {
    for (int i = 0; i < scores.length; i++) {
      scores[i] =
          Float.isNaN(scores[i])
              ? 0
              : Math.max(-Float.MAX_VALUE, Math.min(Float.MAX_VALUE, scores[i]));
    }
  }

  /** {@return the indices of {@code values}, the least value first} */
  static int[] rising(float[] values) {
    long[] keys = new long[values.length];
    for (int i = 0; i < keys.length; i++) {
      int bits = Float.floatToIntBits(values[i]);
      int ordered = bits ^ ((bits >> 31) & Integer.MAX_VALUE);
      keys[i] = ((long) ordered << 32) | i;
    }
    Arrays.sort(keys);
    return Arrays.stream(keys).mapToInt(key -> (int) key).toArray();
  }
}
