package io.peft4j.generate;

import java.util.PriorityQueue;
import java.util.function.IntPredicate;

/** What is drawn from: each rules out tokens, the likeliest one never. */
final class SamplingLimits {

  /** How many tokens top-h looks at, in transformers too. */
  private static final int TOP_H_TOKENS = 100;

  private SamplingLimits() {}

  static LogitsProcessor temperature(float temperature) {
    return (tokens, scores) -> {
      for (int i = 0; i < scores.length; i++) {
        scores[i] /= temperature;
      }
    };
  }

  /** Keeps the likeliest tokens that have this share of the entropy together. */
  static LogitsProcessor topH(double share) {
    return (tokens, scores) -> {
      int[] order = Scores.rising(scores);
      int n = Math.min(TOP_H_TOKENS, order.length);
      float[] top = new float[n];
      for (int i = 0; i < n; i++) {
        top[i] = scores[order[order.length - 1 - i]];
      }
      double[] probabilities = Scores.softmax(top);
      double limit = share * Scores.entropy(probabilities);
      int kept = 0;
      double sum = 0;
      while (kept < n && probabilities[kept] > 0) {
        sum -= probabilities[kept] * Math.log(probabilities[kept]);
        if (kept > 0 && sum > limit) {
          break;
        }
        kept++;
      }
      for (int i = 0; i < order.length - Math.max(1, kept); i++) {
        scores[order[i]] = Float.NEGATIVE_INFINITY;
      }
    };
  }

  /** Keeps the k likeliest tokens, and those as likely as the last of them. */
  static LogitsProcessor topK(int k) {
    return (tokens, scores) -> {
      if (k >= scores.length) {
        return;
      }
      PriorityQueue<Float> best = new PriorityQueue<>(k);
      for (float score : scores) {
        if (best.size() < k) {
          best.add(score);
        } else if (score > best.peek()) {
          best.poll();
          best.add(score);
        }
      }
      float least = best.peek();
      drop(scores, i -> scores[i] < least);
    };
  }

  /**
   * Leaves out the least likely tokens that together have at most 1 - p (Holtzman et al., 2019).
   */
  static LogitsProcessor topP(double p) {
    return (tokens, scores) -> {
      int[] order = Scores.rising(scores);
      double[] probabilities = Scores.softmax(scores);
      double sum = 0;
      for (int i = 0; i < order.length - 1; i++) {
        sum += probabilities[order[i]];
        if (sum > 1 - p) {
          return;
        }
        scores[order[i]] = Float.NEGATIVE_INFINITY;
      }
    };
  }

  /** Keeps tokens with this share of the likeliest one's probability (Nguyen et al., 2024). */
  static LogitsProcessor minP(double share) {
    return (tokens, scores) -> {
      double[] probabilities = Scores.softmax(scores);
      float max = Scores.max(scores);
      double most = 0;
      for (double probability : probabilities) {
        most = Math.max(most, probability);
      }
      double least = share * most;
      drop(scores, i -> probabilities[i] < least && scores[i] < max);
    };
  }

  /** Keeps the tokens whose surprise is nearest to the entropy (Meister et al., 2022). */
  static LogitsProcessor typical(double mass) {
    return (tokens, scores) -> {
      double[] probabilities = Scores.softmax(scores);
      double entropy = Scores.entropy(probabilities);
      float[] distance = new float[scores.length];
      for (int i = 0; i < distance.length; i++) {
        distance[i] = (float) Math.abs(-Math.log(probabilities[i]) - entropy);
      }
      int[] order = Scores.rising(distance);
      int last = 0;
      double sum = probabilities[order[0]];
      while (last < order.length - 1 && sum < mass) {
        last++;
        sum += probabilities[order[last]];
      }
      float limit = distance[order[last]];
      drop(scores, i -> distance[i] > limit);
    };
  }

  /** Keeps tokens of at least this probability (Hewitt et al., 2022). */
  static LogitsProcessor epsilon(double least) {
    return (tokens, scores) -> atLeast(least, Scores.softmax(scores), scores);
  }

  /** As {@link #epsilon}, with less where the entropy is high (Hewitt et al., 2022). */
  static LogitsProcessor eta(double epsilon) {
    return (tokens, scores) -> {
      double[] probabilities = Scores.softmax(scores);
      double spread = Math.sqrt(epsilon) * Math.exp(-Scores.entropy(probabilities));
      atLeast(Math.min(epsilon, spread), probabilities, scores);
    };
  }

  private static void atLeast(double least, double[] probabilities, float[] scores) {
    float max = Scores.max(scores);
    drop(scores, i -> probabilities[i] < least && scores[i] < max);
  }

  private static void drop(float[] scores, IntPredicate condition) {
    for (int i = 0; i < scores.length; i++) {
      if (condition.test(i)) {
        scores[i] = Float.NEGATIVE_INFINITY;
      }
    }
  }
}
