package io.peft4j.train;

import io.peft4j.model.Model;
import io.peft4j.model.batch.Reading;
import io.peft4j.model.batch.TokenBatch;
import io.peft4j.model.batch.TokenSequence;
import io.peft4j.model.chain.Loss;
import io.peft4j.model.head.Head;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * Sequences whose tokens have labels, for whatever head says something of tokens. The loss of an
 * optimizer step is the mean over all its labels, however they are spread over examples and passes,
 * as transformers' Trainer has it ({@code num_items_in_batch}).
 */
public final class LabelledSet implements TrainingSet, EvaluationSet {

  private final Sequences sequences;
  private final Reading reading;

  /**
   * @param sequences as the model counts them, each with something to say of a token at least
   * @param head of the model
   * @throws IllegalArgumentException if there are none, or the head has nothing to say of one
   */
  public LabelledSet(List<TokenSequence> sequences, Head head) {
    this(sequences, head.reading());
  }

  LabelledSet(List<TokenSequence> sequences, Reading reading) {
    if (sequences.isEmpty()) {
      throw new IllegalArgumentException("expected at least one example, found none");
    }
    for (int i = 0; i < sequences.size(); i++) {
      if (reading.labelCount(sequences.get(i)) == 0) {
        throw new IllegalArgumentException("example " + i + ": expected labels, found none");
      }
    }
    this.sequences = new Sequences(sequences);
    this.reading = reading;
  }

  Sequences sequences() {
    return sequences;
  }

  /** {@return of how many tokens there is something to say} */
  public long labels() {
    return sequences.all().stream().mapToLong(reading::labelCount).sum();
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
    return reading.labelCount(sequences.get(index));
  }

  @Override
  public String fingerprint() {
    IntChecksum checksum = new IntChecksum();
    for (TokenSequence sequence : sequences.all()) {
      checksum
          .add(sequence.ids())
          .add(sequence.types())
          .add(sequence.positions())
          .add(sequence.labels());
    }
    return checksum.hex();
  }

  @Override
  public TokenBatch batch(Model model, int[] examples) {
    return sequences.batch(model, examples);
  }

  /** The head's own, of the labels that the batch has. */
  @Override
  public Loss loss(Model model, int[] examples) {
    return null;
  }

  /** {@return the head's metrics, of its outputs and of each token's label} */
  @Override
  public Map<String, Double> evaluate(Model model, int batchSize) {
    List<float[]> outputs = new ArrayList<>();
    List<float[]> targets = new ArrayList<>();
    for (int[] examples : sequences.batches(batchSize)) {
      try (TokenBatch batch = batch(model, examples)) {
        outputs.addAll(List.of(model.outputs(batch)));
        long[] labels = batch.targets().toLongArray();
        for (int i = 0; i < batch.reads(); i++) {
          targets.add(new float[] {labels[i]});
        }
      }
    }
    return model.head().metrics(outputs.toArray(float[][]::new), targets.toArray(float[][]::new));
  }
}
