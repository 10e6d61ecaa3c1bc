package io.peft4j.train;

import ai.djl.ndarray.NDArray;

/**
 * What a training minimizes, where it is not what the model's head has for its data; transformers'
 * {@code compute_loss_func}. Evaluation keeps the head's metrics.
 *
 * <pre>{@code
 * final class FocalLoss implements LossFunction {
 *   public String name() {
 *     return "focal(gamma=2)";
 *   }
 *
 *   public NDArray of(NDArray logits, NDArray labels) {
 *     NDArray classes = labels.toType(DataType.INT64, false);
 *     NDArray logProb = logits.logSoftmax(-1).gather(classes, -1);
 *     return logProb.mul(logProb.exp().sub(1).pow(2)).neg().sum();
 *   }
 * }
 * }</pre>
 */
public interface LossFunction {

  /**
   * {@return the name, with whatever settings the loss has} Two runs whose losses have one name
   * pass through the same steps: a run goes on from checkpoints of a loss of the same name alone.
   */
  String name();

  /**
   * {@return the loss summed over its terms, a scalar on the manager of {@code logits}} The trainer
   * divides by the terms of the whole optimizer step, see {@link TrainingSet#weight}. Called by
   * several threads at a time if there are several workers.
   *
   * @param logits [n, outputs], a row for each state that the head reads; with a language model,
   *     unlike its own loss, of all tokens at once
   * @param labels see {@link TrainingSet#labels}
   */
  NDArray of(NDArray logits, NDArray labels);
}
