package io.peft4j.train;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.peft4j.data.Task;
import io.peft4j.data.TextDataset;
import io.peft4j.data.Truncation;
import io.peft4j.eval.Metrics;
import io.peft4j.model.Model;
import io.peft4j.model.batch.TokenBatch;
import io.peft4j.model.batch.TokenSequence;
import io.peft4j.model.chain.Loss;
import io.peft4j.text.TextTokenizer;
import io.peft4j.text.Tokens;
import io.peft4j.torch.TrainingOps;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * Tokenized texts with what a sequence classifier should say of them: transformers' three losses,
 * and the metrics that go with each.
 */
public final class ClassificationSet implements TrainingSet, EvaluationSet {

  private final Task task;
  private final Sequences sequences;
  private final float[][] targets;
  private final Truncation truncation;

  /**
   * @param sequences as the model counts them
   * @param targets for each: the class (single label), 0 or 1 for each class (multi-label), or the
   *     values (regression)
   * @throws IllegalArgumentException if there are none, or the two differ in number
   */
  public ClassificationSet(Task task, List<TokenSequence> sequences, float[][] targets) {
    this(task, sequences, targets, null);
  }

  private ClassificationSet(
      Task task, List<TokenSequence> sequences, float[][] targets, Truncation truncation) {
    if (sequences.isEmpty() || sequences.size() != targets.length) {
      throw new IllegalArgumentException(
          "expected as many targets as sequences and at least one, found "
              + targets.length
              + " and "
              + sequences.size());
    }
    this.task = task;
    this.sequences = new Sequences(sequences);
    this.targets = targets.clone();
    this.truncation = truncation;
  }

  /**
   * Tokenizes a data set for a model. Labels get the model's ids, by their names.
   *
   * @throws IllegalArgumentException if a text has tokens the model does not know, or the model's
   *     head is for another task or lacks a label
   */
  public static ClassificationSet of(TextDataset texts, TextTokenizer tokenizer, Model model) {
    if (texts.task() != model.task()) {
      throw new IllegalArgumentException(
          String.format(
              Locale.ROOT,
              "%s is read for %s, the model's head is for %s",
              texts.source(),
              texts.task().problemType(),
              model.task().problemType()));
    }
    TextDataset data = texts.withLabels(model.labels());
    List<TokenSequence> sequences = new ArrayList<>(data.size());
    List<Tokens> encoded = tokenizer.encodeAll(data.examples());
    for (Tokens tokens : encoded) {
      sequences.add(model.sequence(tokens.ids(), tokens.types()));
    }
    float[][] targets = new float[data.size()][];
    for (int i = 0; i < targets.length; i++) {
      targets[i] = data.target(i);
    }
    return new ClassificationSet(data.task(), sequences, targets, Tokens.truncation(encoded));
  }

  /**
   * {@return what the limit on length cost the data that this was made of; null if it was made of
   * sequences}
   */
  public Truncation truncation() {
    return truncation;
  }

  @Override
  public int size() {
    return sequences.size();
  }

  @Override
  public int length(int index) {
    return sequences.length(index);
  }

  @Override
  public int weight(int index) {
    return targets[index].length;
  }

  @Override
  public String fingerprint() {
    IntChecksum checksum = new IntChecksum();
    for (int i = 0; i < size(); i++) {
      TokenSequence sequence = sequences.get(i);
      checksum
          .add(sequence.ids())
          .add(sequence.types())
          .add(sequence.positions())
          .add(floatBits(targets[i]));
    }
    return checksum.hex();
  }

  private static int[] floatBits(float[] values) {
    int[] bits = new int[values.length];
    for (int i = 0; i < bits.length; i++) {
      bits[i] = Float.floatToIntBits(values[i]);
    }
    return bits;
  }

  @Override
  public TokenBatch batch(Model model, int[] examples) {
    return sequences.batch(model, examples);
  }

  @Override
  public Loss loss(Model model, int[] examples) {
    return logits -> {
      NDArray labels = labels(logits.getManager(), examples);
      return switch (task) {
        case SINGLE_LABEL -> TrainingOps.crossEntropy(logits, labels);
        case MULTI_LABEL -> TrainingOps.binaryCrossEntropy(logits, labels);
        case REGRESSION -> TrainingOps.squaredError(logits, labels);
      };
    };
  }

  private NDArray labels(NDManager manager, int[] examples) {
    if (task == Task.SINGLE_LABEL) {
      long[] classes = new long[examples.length];
      for (int i = 0; i < classes.length; i++) {
        classes[i] = (long) targets[examples[i]][0];
      }
      return manager.create(classes);
    }
    int width = targets[examples[0]].length;
    float[] flat = new float[examples.length * width];
    for (int i = 0; i < examples.length; i++) {
      System.arraycopy(targets[examples[i]], 0, flat, i * width, width);
    }
    return manager.create(flat, new Shape(examples.length, width));
  }

  /** {@return the logits of all examples, in their order} */
  public float[][] logits(Model model, int batchSize) {
    float[][] logits = new float[size()][];
    for (int[] examples : sequences.batches(batchSize)) {
      try (TokenBatch batch = batch(model, examples)) {
        float[][] rows = model.logits(batch);
        for (int i = 0; i < rows.length; i++) {
          logits[examples[i]] = rows[i];
        }
      }
    }
    return logits;
  }

  @Override
  public Map<String, Double> evaluate(Model model, int batchSize) {
    return metrics(task, logits(model, batchSize), targets);
  }

  /**
   * {@return the metrics of a task}
   *
   * @param logits of all examples
   * @param targets for each, as {@link TextDataset#target} has them
   */
  public static Map<String, Double> metrics(Task task, float[][] logits, float[][] targets) {
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
      predicted[i] = argmax(logits[i]);
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

  private static int argmax(float[] row) {
    int best = 0;
    for (int i = 1; i < row.length; i++) {
      best = row[i] > row[best] ? i : best;
    }
    return best;
  }

  private static double logSumExp(float[] row) {
    double max = row[argmax(row)];
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
