package io.peft4j.model.module;

import ai.djl.ndarray.NDArray;

/** Keys and values that every token of a layer attends to beside those of its own example. */
public interface AttentionPrefix {

  /** {@return how many keys and values there are, the same in each layer} */
  int length();

  /**
   * @param like what type and manager the result should have
   * @return [length, key heads · d]
   */
  NDArray keys(int layer, NDArray like);

  /**
   * @param like what type and manager the result should have
   * @return [length, key heads · d]
   */
  NDArray values(int layer, NDArray like);

  /**
   * {@return what its keys are multiplied with for each query, in the first column, and its values,
   * in the last: [rows, length, 1 or more]; null for nothing}
   *
   * @param x what the layer's attention reads [rows, length, hidden]
   */
  default NDArray gate(int layer, NDArray x, Pass pass) {
    return null;
  }

  /** {@return what its graph keeps of a layer in training, beside the attention to it} */
  Kept kept();

  /** {@return whether it has anything to train at the moment} */
  boolean trainable();
}
