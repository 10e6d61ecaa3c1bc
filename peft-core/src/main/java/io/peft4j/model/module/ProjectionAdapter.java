package io.peft4j.model.module;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;

/** What an adapter does to one projection. */
public interface ProjectionAdapter {

  /** {@return the projection's input; unchanged unless the method scales or shifts it} */
  default NDArray input(NDArray x, Pass pass) {
    return x;
  }

  /**
   * @param x the projection's input [.., in], before {@link #input}
   * @param y its output so far [.., out], with earlier adapters' parts in it
   * @param linear the adapted module, for methods that look at its weight
   * @return the new output [.., out], on {@code x}'s manager
   */
  NDArray output(NDArray x, NDArray y, Linear linear, Pass pass);

  /** {@return whether what it does to a token depends on others of the example} */
  default boolean readsAllTokens() {
    return false;
  }

  /** {@return whether {@link #mergedWeight} is defined} */
  boolean mergeable();

  /**
   * @param weight float32 [out, in], with earlier adapters merged into it
   * @param base the weight without any adapter, likewise
   * @return the weight that gives the adapted output by itself, float32 on {@code manager}
   */
  NDArray mergedWeight(NDArray weight, NDArray base, NDManager manager);

  /**
   * @param bias float32 [out], or null where the projection has none
   * @return the bias to go with {@link #mergedWeight}, or null for the same one
   */
  default NDArray mergedBias(NDArray bias, NDManager manager) {
    return null;
  }

  /**
   * {@return what its graph keeps in training, beside the input}
   *
   * @param in elements of the input
   * @param out elements of the output
   */
  Kept kept(long in, long out);

  /** {@return whether its graph keeps the input itself in training} */
  default boolean keepsInput() {
    return true;
  }

  /** {@return whether it has anything to train at the moment} */
  boolean trainable();
}
