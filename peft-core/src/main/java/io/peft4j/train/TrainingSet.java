package io.peft4j.train;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import io.peft4j.model.Model;
import io.peft4j.model.batch.TokenBatch;
import io.peft4j.model.chain.Loss;

/** Examples to train on, as a {@link Trainer} needs them. */
public interface TrainingSet {

  int size();

  /** {@return tokens of example {@code index}} */
  int length(int index);

  /** {@return how many terms example {@code index} adds to a batch's summed loss} */
  int weight(int index);

  /** {@return a checksum of the examples, by which a resumed run knows them again} */
  String fingerprint();

  /** {@return the examples as a batch for {@code model}; the caller closes it} */
  TokenBatch batch(Model model, int[] examples);

  /**
   * {@return the loss of those examples, summed over its terms; null for what the model's head has
   * for the labels of tokens}
   */
  Loss loss(Model model, int[] examples);

  /**
   * {@return what should be said of those examples, as a {@link LossFunction} takes it: of each
   * state that the head reads an int64 [n], with {@link
   * io.peft4j.model.batch.TokenSequence#IGNORED} where there is nothing to say; or of each example
   * a float32 [examples, values]}
   *
   * @param batch of them
   * @param manager for what has to be made
   */
  default NDArray labels(TokenBatch batch, int[] examples, NDManager manager) {
    return batch.targets();
  }
}
