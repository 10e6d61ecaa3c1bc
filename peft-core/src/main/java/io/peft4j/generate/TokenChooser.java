package io.peft4j.generate;

import java.util.Arrays;
import java.util.BitSet;
import java.util.SplittableRandom;
import java.util.stream.IntStream;

/** Chooses one sequence's tokens, by the rules of transformers in their order there. */
final class TokenChooser {

  private final GenerationConfig config;
  private final SplittableRandom random;
  private final BitSet occurred = new BitSet();

  /**
   * @param place of the sequence among those generated together
   */
  TokenChooser(GenerationConfig config, int[] prompt, int place) {
    this.config = config;
    this.random = new SplittableRandom(config.seed() + 0x9E3779B97F4A7C15L * place);
    Arrays.stream(prompt).forEach(occurred::set);
  }

  /** {@return the next token, given the model's logits} */
  int choose(float[] logits) {
    float[] scores = penalized(logits);
    int token = config.doSample() ? draw(probabilities(scores)) : likeliest(scores);
    occurred.set(token);
    return token;
  }

  private float[] penalized(float[] logits) {
    float[] scores = logits.clone();
    float penalty = (float) config.repetitionPenalty();
    if (penalty != 1) {
      occurred.stream()
          .filter(token -> token < scores.length)
          .forEach(token -> scores[token] *= scores[token] < 0 ? penalty : 1 / penalty);
    }
    return scores;
  }

  private static int likeliest(float[] scores) {
    int best = 0;
    for (int i = 1; i < scores.length; i++) {
      best = scores[i] > scores[best] ? i : best;
    }
    return best;
  }

  /** {@return what is drawn from: zero where a limit leaves a token out} */
  double[] probabilities(float[] scores) {
    double[] scaled = new double[scores.length];
    for (int i = 0; i < scores.length; i++) {
      scaled[i] = scores[i] / config.temperature();
    }
    keepTopK(scaled);
    double[] probabilities = softmax(scaled);
    if (config.topP() < 1) {
      keepTopP(probabilities);
      normalize(probabilities);
    }
    if (config.minP() > 0) {
      double limit = config.minP() * Arrays.stream(probabilities).max().orElse(0);
      for (int i = 0; i < probabilities.length; i++) {
        probabilities[i] = probabilities[i] < limit ? 0 : probabilities[i];
      }
      normalize(probabilities);
    }
    return probabilities;
  }

  private void keepTopK(double[] scores) {
    int k = config.topK();
    if (k == 0 || k >= scores.length) {
      return;
    }
    double[] sorted = scores.clone();
    Arrays.sort(sorted);
    double limit = sorted[sorted.length - k];
    for (int i = 0; i < scores.length; i++) {
      scores[i] = scores[i] < limit ? Double.NEGATIVE_INFINITY : scores[i];
    }
  }

  /** Leaves out the least likely tokens that together have at most 1 - p. */
  private void keepTopP(double[] probabilities) {
    int[] rising =
        IntStream.range(0, probabilities.length)
            .boxed()
            .sorted((a, b) -> Double.compare(probabilities[a], probabilities[b]))
            .mapToInt(Integer::intValue)
            .toArray();
    double sum = 0;
    for (int i = 0; i < rising.length - 1; i++) {
      sum += probabilities[rising[i]];
      if (sum > 1 - config.topP()) {
        return;
      }
      probabilities[rising[i]] = 0;
    }
  }

  private static double[] softmax(double[] scores) {
    double max = Arrays.stream(scores).max().orElse(0);
    double[] probabilities = Arrays.stream(scores).map(score -> Math.exp(score - max)).toArray();
    normalize(probabilities);
    return probabilities;
  }

  private static void normalize(double[] probabilities) {
    double sum = Arrays.stream(probabilities).sum();
    for (int i = 0; i < probabilities.length; i++) {
      probabilities[i] /= sum;
    }
  }

  private int draw(double[] probabilities) {
    double point = random.nextDouble();
    int last = 0;
    for (int i = 0; i < probabilities.length; i++) {
      if (probabilities[i] > 0) {
        last = i;
        point -= probabilities[i];
        if (point < 0) {
          return i;
        }
      }
    }
    return last; // what rounding left over
  }
}
