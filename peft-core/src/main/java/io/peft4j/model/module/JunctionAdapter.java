package io.peft4j.model.module;

import ai.djl.ndarray.NDArray;

/** What an adapter does where the output of a sub-layer joins what went around it. */
public interface JunctionAdapter {

  /**
   * @param hidden the sub-layer's output [.., hidden], after adapters before this one
   * @param residual what went around the sub-layer [.., hidden]
   * @param norm the model's own at this place, or null where it has none
   * @return [.., hidden]
   */
  NDArray apply(NDArray hidden, NDArray residual, Norm norm, Pass pass);

  /**
   * Called on the last adapter of the place.
   *
   * @param hidden what the last {@link #apply} gave
   * @param output the sub-layer's output, before any adapter
   * @return what the next sub-layer reads
   */
  NDArray join(NDArray hidden, NDArray output, NDArray residual, Norm norm);

  /** {@return whether it takes part in {@code pass}} */
  default boolean runs(Pass pass) {
    return true;
  }

  /** {@return whether what it does to a token depends on the others of the example} */
  default boolean readsAllTokens() {
    return false;
  }

  /**
   * {@return what its graph keeps in training}
   *
   * @param hidden elements of a state
   */
  Kept kept(long hidden);

  /** {@return whether it has anything to train at the moment} */
  boolean trainable();
}
