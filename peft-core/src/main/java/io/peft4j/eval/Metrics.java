package io.peft4j.eval;

import java.util.Arrays;
import java.util.Comparator;
import java.util.stream.IntStream;

/**
 * Measures of predictions against references, as scikit-learn and SciPy define them. A measure
 * whose denominator is 0 (a class never seen, a constant) is 0.
 *
 * <p>Every measure throws {@link IllegalArgumentException} if there is nothing to measure or the
 * two sides differ in number.
 */
public final class Metrics {
  private Metrics() {}

  /** The share of predictions that equal their reference. */
  public static double accuracy(int[] predicted, int[] reference) {
    check(predicted.length, reference.length);
    long right =
        IntStream.range(0, predicted.length).filter(i -> predicted[i] == reference[i]).count();
    return (double) right / predicted.length;
  }

  /** F1 of class {@code positive}: the harmonic mean of its precision and recall. */
  public static double f1(int[] predicted, int[] reference, int positive) {
    check(predicted.length, reference.length);
    long hit = 0;
    long said = 0;
    long is = 0;
    for (int i = 0; i < predicted.length; i++) {
      said += predicted[i] == positive ? 1 : 0;
      is += reference[i] == positive ? 1 : 0;
      hit += predicted[i] == positive && reference[i] == positive ? 1 : 0;
    }
    return ratio(2.0 * hit, said + is);
  }

  /** The plain mean of the F1 of every class that is predicted or occurs. */
  public static double f1Macro(int[] predicted, int[] reference) {
    check(predicted.length, reference.length);
    return IntStream.concat(Arrays.stream(predicted), Arrays.stream(reference))
        .distinct()
        .mapToDouble(label -> f1(predicted, reference, label))
        .average()
        .orElse(0);
  }

  /** F1 over all decisions together; with one class an example this equals the accuracy. */
  public static double f1Micro(int[] predicted, int[] reference) {
    return accuracy(predicted, reference);
  }

  /**
   * Multi-label F1, the plain mean over classes.
   *
   * @param predicted [examples][classes]
   * @param reference [examples][classes]
   */
  public static double f1Macro(boolean[][] predicted, boolean[][] reference) {
    check(predicted.length, reference.length);
    return IntStream.range(0, reference[0].length)
        .mapToDouble(label -> f1(column(predicted, label), column(reference, label), 1))
        .average()
        .orElse(0);
  }

  /**
   * Multi-label F1 over all decisions together.
   *
   * @param predicted [examples][classes]
   * @param reference [examples][classes]
   */
  public static double f1Micro(boolean[][] predicted, boolean[][] reference) {
    check(predicted.length, reference.length);
    return f1(flat(predicted), flat(reference), 1);
  }

  /**
   * The share of examples all of whose classes are right.
   *
   * @param predicted [examples][classes]
   * @param reference [examples][classes]
   */
  public static double subsetAccuracy(boolean[][] predicted, boolean[][] reference) {
    check(predicted.length, reference.length);
    long right =
        IntStream.range(0, predicted.length)
            .filter(i -> Arrays.equals(predicted[i], reference[i]))
            .count();
    return (double) right / predicted.length;
  }

  /** Matthews's correlation, for any number of classes (Gorodkin 2004). */
  public static double matthews(int[] predicted, int[] reference) {
    check(predicted.length, reference.length);
    double n = predicted.length;
    double right = accuracy(predicted, reference) * n;
    double together = 0;
    double predictedSquares = 0;
    double referenceSquares = 0;
    int[] labels =
        IntStream.concat(Arrays.stream(predicted), Arrays.stream(reference)).distinct().toArray();
    for (int label : labels) {
      double said = Arrays.stream(predicted).filter(p -> p == label).count();
      double is = Arrays.stream(reference).filter(r -> r == label).count();
      together += said * is;
      predictedSquares += said * said;
      referenceSquares += is * is;
    }
    double spread = Math.sqrt((n * n - predictedSquares) * (n * n - referenceSquares));
    return ratio(right * n - together, spread);
  }

  /** Pearson's correlation. */
  public static double pearson(double[] predicted, double[] reference) {
    check(predicted.length, reference.length);
    double meanP = Arrays.stream(predicted).average().orElse(0);
    double meanR = Arrays.stream(reference).average().orElse(0);
    double together = 0;
    double squaresP = 0;
    double squaresR = 0;
    for (int i = 0; i < predicted.length; i++) {
      double p = predicted[i] - meanP;
      double r = reference[i] - meanR;
      together += p * r;
      squaresP += p * p;
      squaresR += r * r;
    }
    return ratio(together, Math.sqrt(squaresP) * Math.sqrt(squaresR));
  }

  /** Spearman's rank correlation; equal values share their mean rank. */
  public static double spearman(double[] predicted, double[] reference) {
    check(predicted.length, reference.length);
    return pearson(ranks(predicted), ranks(reference));
  }

  /** The mean of the squared errors. */
  public static double meanSquaredError(double[] predicted, double[] reference) {
    check(predicted.length, reference.length);
    return IntStream.range(0, predicted.length)
        .mapToDouble(i -> (predicted[i] - reference[i]) * (predicted[i] - reference[i]))
        .average()
        .orElse(0);
  }

  /**
   * The perplexity of a text, {@code exp(nll / tokens)}.
   *
   * @param nll the negative log-likelihood summed over the predicted tokens, in nats
   * @param tokens the number of predicted tokens
   */
  public static double perplexity(double nll, long tokens) {
    if (tokens < 1) {
      throw new IllegalArgumentException("perplexity of " + tokens + " tokens");
    }
    return Math.exp(nll / tokens);
  }

  /** The number of the largest of {@code scores}, the first of several. */
  public static int argmax(float[] scores) {
    int best = 0;
    for (int i = 1; i < scores.length; i++) {
      best = scores[i] > scores[best] ? i : best;
    }
    return best;
  }

  private static double[] ranks(double[] values) {
    Integer[] sorted = IntStream.range(0, values.length).boxed().toArray(Integer[]::new);
    Arrays.sort(sorted, Comparator.comparingDouble(i -> values[i]));
    double[] ranks = new double[values.length];
    for (int start = 0; start < sorted.length; ) {
      int end = start + 1;
      while (end < sorted.length && values[sorted[end]] == values[sorted[start]]) {
        end++;
      }
      for (int i = start; i < end; i++) {
        ranks[sorted[i]] = (start + end + 1) / 2.0;
      }
      start = end;
    }
    return ranks;
  }

  private static int[] column(boolean[][] matrix, int column) {
    return Arrays.stream(matrix).mapToInt(row -> row[column] ? 1 : 0).toArray();
  }

  private static int[] flat(boolean[][] matrix) {
    return Arrays.stream(matrix)
        .flatMapToInt(row -> IntStream.range(0, row.length).map(i -> row[i] ? 1 : 0))
        .toArray();
  }

  private static double ratio(double numerator, double denominator) {
    return denominator == 0 ? 0 : numerator / denominator;
  }

  private static void check(int predicted, int reference) {
    if (predicted != reference || predicted == 0) {
      throw new IllegalArgumentException(
          predicted + " predictions do not match " + reference + " references");
    }
  }
}
