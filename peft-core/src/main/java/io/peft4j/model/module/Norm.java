package io.peft4j.model.module;

import ai.djl.ndarray.NDArray;

/** A normalization over the last dimension. */
public sealed interface Norm extends Module permits LayerNorm, RmsNorm {

  /** {@return {@code x} normalized, of the same shape and type} */
  NDArray forward(NDArray x);
}
