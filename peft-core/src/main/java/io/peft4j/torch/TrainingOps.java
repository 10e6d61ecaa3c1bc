package io.peft4j.torch;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import java.util.List;

/** Losses, summed over the batch, and the optimizer. See {@link Ops}. */
public final class TrainingOps {

  private TrainingOps() {}

  /** log softmax(logits)[token]: logits [n, vocabulary], tokens int64 [n], read as 0 below that. */
  public static NDArray tokenLogProbs(NDArray logits, NDArray tokens) {
    return OpsScript.call("token_log_probs", logits, tokens);
  }

  /** Sum of -log softmax(logits)[label]: logits [n, classes], labels int64 [n], -100 ignored. */
  public static NDArray crossEntropy(NDArray logits, NDArray labels) {
    return OpsScript.call("cross_entropy", logits, labels);
  }

  /**
   * {@link #crossEntropy} and its gradient with respect to the logits times {@code scale} (0-d):
   * some rows at a time, whose probabilities in float32 stay in the processor's cache.
   *
   * @param logits outside of any graph, overwritten with the gradient
   */
  public static NDList crossEntropyGradient(NDArray logits, NDArray labels, NDArray scale) {
    return OpsScript.run("cross_entropy_gradient", new NDList(logits, labels, scale));
  }

  /** Sum of squared differences; both [n, k]. */
  public static NDArray squaredError(NDArray logits, NDArray labels) {
    return OpsScript.call("squared_error", logits, labels);
  }

  /** Sum of binary cross entropies with logits; both [n, k], labels 0 or 1 as float32. */
  public static NDArray binaryCrossEntropy(NDArray logits, NDArray labels) {
    return OpsScript.call("binary_cross_entropy", logits, labels);
  }

  /** {@return the Euclidean norm of all elements of all {@code gradients}, a float64 scalar} */
  public static NDArray globalNorm(List<NDArray> gradients) {
    NDList inputs = new NDList();
    OpsScript.addList(inputs, "grads", gradients);
    return OpsScript.runWithLists("global_norm", inputs);
  }

  /**
   * One AdamW update in place (Loshchilov and Hutter, 2019). The four lists are parallel.
   *
   * @param hyper float64 [8]: learning rate, beta1, beta2, epsilon, weight decay, 1 - beta1^t,
   *     sqrt(1 - beta2^t), factor on the gradients
   */
  public static void adamw(
      List<NDArray> parameters,
      List<NDArray> gradients,
      List<NDArray> firstMoments,
      List<NDArray> secondMoments,
      NDArray hyper) {
    NDList inputs = new NDList();
    OpsScript.addList(inputs, "p", parameters);
    OpsScript.addList(inputs, "g", gradients);
    OpsScript.addList(inputs, "m", firstMoments);
    OpsScript.addList(inputs, "v", secondMoments);
    inputs.add(hyper);
    OpsScript.runWithLists("adamw", inputs).close();
  }
}
