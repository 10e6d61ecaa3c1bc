package io.peft4j.model.chain;

import ai.djl.ndarray.NDArray;

/** What a run is judged by. */
@FunctionalInterface
public interface Loss {
  /**
   * @param output of the model
   * @return a scalar, on {@code output}'s manager
   */
  NDArray of(NDArray output);
}
