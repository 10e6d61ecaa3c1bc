package io.peft4j.model.head;

import io.peft4j.data.Task;
import io.peft4j.eval.Metrics;
import java.util.LinkedHashMap;
import java.util.Map;

/** Loss and metrics of a classifier's logits, by its problem type. */
public final class ClassifierMetrics {

  private ClassifierMetrics() {}

  /**
   * {@return the metrics of a task}
   *
   * @param logits of all examples
   * @param targets for each, as {@link io.peft4j.data.TextDataset#target} has them
   */
  public static Map<String, Double> of(Task task, float[][] logits, float[][] targets) {
    Map<String, Double> metrics = new LinkedHashMap<>();
    switch (task) {
      case SINGLE_LABEL -> singleLabel(logits, targets, metrics);
      case MULTI_LABEL -> multiLabel(logits, targets, metrics);
      case REGRESSION -> regression(logits, targets, metrics);
    }
    return metrics;
  }

  private static void singleLabel(
      float[][] logits, float[][] targets, Map<String, Double> metrics) {
    int[] predicted = new int[logits.length];
    int[] reference = new int[logits.length];
    double loss = 0;
    for (int i = 0; i < logits.length; i++) {
      reference[i] = (int) targets[i][0];
      predicted[i] = Metrics.argmax(logits[i]);
      loss += logSumExp(logits[i]) - logits[i][reference[i]];
    }
    metrics.put("loss", loss / logits.length);
    metrics.put("accuracy", Metrics.accuracy(predicted, reference));
    metrics.put(
        "f1",
        logits[0].length == 2
            ? Metrics.f1(predicted, reference, 1)
            : Metrics.f1Macro(predicted, reference));
    metrics.put("matthews", Metrics.matthews(predicted, reference));
  }

  private static double logSumExp(float[] row) {
    double max = row[Metrics.argmax(row)];
    double sum = 0;
    for (float value : row) {
      sum += Math.exp(value - max);
    }
    return max + Math.log(sum);
  }

  private static void multiLabel(float[][] logits, float[][] targets, Map<String, Double> metrics) {
    boolean[][] predicted = new boolean[logits.length][logits[0].length];
    boolean[][] reference = new boolean[logits.length][logits[0].length];
    double loss = 0;
    for (int i = 0; i < logits.length; i++) {
      for (int j = 0; j < logits[i].length; j++) {
        double x = logits[i][j];
        predicted[i][j] = x > 0;
        reference[i][j] = targets[i][j] > 0.5f;
        // log(1 + e^x) - t x, without overflow
        loss += Math.max(x, 0) - x * targets[i][j] + Math.log1p(Math.exp(-Math.abs(x)));
      }
    }
    metrics.put("loss", loss / logits.length / logits[0].length);
    metrics.put("accuracy", Metrics.subsetAccuracy(predicted, reference));
    metrics.put("f1", Metrics.f1Micro(predicted, reference));
    metrics.put("f1_macro", Metrics.f1Macro(predicted, reference));
  }

  private static void regression(float[][] logits, float[][] targets, Map<String, Double> metrics) {
    int width = logits[0].length;
    double[] predicted = new double[logits.length * width];
    double[] reference = new double[logits.length * width];
    for (int i = 0; i < logits.length; i++) {
      for (int j = 0; j < width; j++) {
        predicted[i * width + j] = logits[i][j];
        reference[i * width + j] = targets[i][j];
      }
    }
    double error = Metrics.meanSquaredError(predicted, reference);
    metrics.put("loss", error);
    metrics.put("mse", error);
    metrics.put("pearson", Metrics.pearson(predicted, reference));
    metrics.put("spearman", Metrics.spearman(predicted, reference));
  }
}
