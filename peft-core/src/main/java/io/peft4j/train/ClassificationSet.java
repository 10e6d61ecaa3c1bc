package io.peft4j.train;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.peft4j.data.Task;
import io.peft4j.data.TextDataset;
import io.peft4j.data.Truncation;
import io.peft4j.model.Model;
import io.peft4j.model.batch.TokenBatch;
import io.peft4j.model.batch.TokenSequence;
import io.peft4j.model.chain.Loss;
import io.peft4j.model.head.Head;
import io.peft4j.text.TextTokenizer;
import io.peft4j.text.Tokens;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/**
 * Tokenized texts with what a sequence classifier should say of them. Loss and metrics are those of
 * the model's head.
 */
public final class ClassificationSet implements TrainingSet, EvaluationSet {

  private final Sequences sequences;
  private final float[][] targets;
  private final Truncation truncation;

  /**
   * @param sequences as the model counts them
   * @param targets for each, as the head takes them: see {@link
   *     io.peft4j.model.head.SequenceClassifierHead}
   * @throws IllegalArgumentException if there are none, or the two differ in number
   */
  public ClassificationSet(List<TokenSequence> sequences, float[][] targets) {
    this(sequences, targets, null);
  }

  private ClassificationSet(
      List<TokenSequence> sequences, float[][] targets, Truncation truncation) {
    if (sequences.isEmpty() || sequences.size() != targets.length) {
      throw new IllegalArgumentException(
          "expected as many targets as sequences and at least one, found "
              + targets.length
              + " and "
              + sequences.size());
    }
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
    Head head = model.head();
    if (!head.task().equals(Optional.of(texts.task()))) {
      throw new IllegalArgumentException(
          String.format(
              Locale.ROOT,
              "%s is read for %s, the model's head is for %s",
              texts.source(),
              texts.task().problemType(),
              head.task().map(Task::problemType).orElse(head.taskType())));
    }
    TextDataset data = texts.withLabels(head.labels().orElseThrow());
    List<TokenSequence> sequences = new ArrayList<>(data.size());
    List<Tokens> encoded = tokenizer.encodeAll(data.examples());
    for (Tokens tokens : encoded) {
      sequences.add(model.sequence(tokens.ids(), tokens.types()));
    }
    float[][] targets = new float[data.size()][];
    for (int i = 0; i < targets.length; i++) {
      targets[i] = data.target(i);
    }
    return new ClassificationSet(sequences, targets, Tokens.truncation(encoded));
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
    return model
        .head()
        .loss(Arrays.stream(examples).mapToObj(i -> targets[i]).toArray(float[][]::new));
  }

  /** {@return the targets, float32 [examples, 1 or outputs]} */
  @Override
  public NDArray labels(TokenBatch batch, int[] examples, NDManager manager) {
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
    return model.head().metrics(logits(model, batchSize), targets);
  }
}
