package io.peft4j.adapter.lycoris;

import ai.djl.ndarray.NDArray;
import io.peft4j.torch.Script;

/** What LoHa and LoKr compute, each in one call. */
final class LycorisOps {

  private static final Script SCRIPT = Script.of(LycorisOps.class, "lycoris.py");

  private LycorisOps() {}

  /** {@code scale · (a1 b1) ⊙ (a2 b2)}, on {@code like}'s manager. */
  static NDArray hadamard(
      NDArray like, NDArray a1, NDArray b1, NDArray a2, NDArray b2, NDArray scale) {
    return SCRIPT.call("hadamard", like, a1, b1, a2, b2, scale);
  }

  /**
   * {@code scale · first ⊗ second}, on {@code like}'s manager.
   *
   * @param first a matrix, or two whose product it is; likewise {@code second}
   */
  static NDArray kron(NDArray like, NDArray[] first, NDArray[] second, NDArray scale) {
    return SCRIPT.call("kron", like, product(like, first), product(like, second), scale);
  }

  private static NDArray product(NDArray like, NDArray[] factors) {
    return factors.length == 1 ? factors[0] : SCRIPT.call("matmul", like, factors[0], factors[1]);
  }
}
