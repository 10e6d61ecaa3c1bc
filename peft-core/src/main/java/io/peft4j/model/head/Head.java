package io.peft4j.model.head;

import ai.djl.ndarray.NDArray;
import io.peft4j.data.LabelNames;
import io.peft4j.data.Task;
import io.peft4j.model.batch.Reading;
import io.peft4j.model.chain.Loss;
import io.peft4j.model.chain.Segment;
import io.peft4j.model.chain.SegmentChain;
import io.peft4j.model.module.Linear;
import io.peft4j.model.module.Pass;
import io.peft4j.torch.TrainingOps;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * What a model's body ends in: which tokens' states it reads, what it makes of them, by what that
 * is judged, and what its outputs are called. {@link SequenceClassifierHead} and {@link
 * LanguageModelHead} are the library's; a head of one's own needs {@link #taskType}, {@link
 * #reading}, {@link #segments} and {@link #metrics}, and {@code Model.load} takes it.
 */
public interface Head {

  /** {@return peft's word for what it does, such as {@code SEQ_CLS}} */
  String taskType();

  /** {@return which tokens' states it reads, and what it should say of each} */
  Reading reading();

  /**
   * {@return what it adds to the body, in the order in which it runs} The first takes the states
   * that are read [n, hidden], the last gives what {@link #logits} starts from.
   */
  List<Segment> segments();

  /**
   * {@return the module whose outputs are the vocabulary, on top of the segments, where it has one}
   */
  default Optional<Linear> outputEmbedding() {
    return Optional.empty();
  }

  /**
   * @param states what the last segment gave, [n, ..]
   * @return [n, outputs] in the states' type: as they are, unless this has an {@link
   *     #outputEmbedding}
   */
  default NDArray logits(NDArray states, Pass pass) {
    return states;
  }

  /**
   * {@return what the head says of a batch, for people and {@link #metrics}}: the logits of each
   * state that is read
   *
   * @param states what the last segment gave
   */
  default float[][] outputs(NDArray states, Pass pass) {
    return Rows.of(logits(states, pass), pass.batch().reads());
  }

  /**
   * {@return the log-probability of each label that the batch's tokens have, in order; none where
   * labels are not the tokens'}
   *
   * @param states what the last segment gave
   */
  default float[] logProbs(NDArray states, Pass pass) {
    if (pass.batch().labels() == 0) {
      return new float[0];
    }
    long[] targets = pass.batch().targets().toLongArray();
    try (NDArray logProbs =
        TrainingOps.tokenLogProbs(logits(states, pass), pass.batch().targets())) {
      return Rows.labelled(logProbs.toFloatArray(), targets);
    }
  }

  /**
   * {@return the loss of examples, summed over its terms}
   *
   * @param targets of each example; see the head
   * @throws IllegalArgumentException if it has no loss of such targets: its labels are the tokens'
   */
  default Loss loss(float[][] targets) {
    throw new IllegalArgumentException(
        "the labels of a " + taskType() + " head are the tokens', see TokenSequence.withLabels");
  }

  /**
   * {@return what training starts backward from}
   *
   * @param loss of the logits; null for the sum of the cross entropies of the tokens' labels
   */
  default SegmentChain.Top top(Loss loss) {
    return new HeadTop(this, loss);
  }

  /**
   * {@return measures of a data set by name, {@code loss} among them}
   *
   * @param outputs of all its batches, as {@link #outputs} gives them
   * @param targets of each row of {@code outputs}; see the head
   */
  Map<String, Double> metrics(float[][] outputs, float[][] targets);

  /** {@return the names of its outputs, where they have any} */
  default Optional<LabelNames> labels() {
    return Optional.empty();
  }

  /** {@return its problem type, where {@code config.json} has a word for it} */
  default Optional<Task> task() {
    return Optional.empty();
  }
}
