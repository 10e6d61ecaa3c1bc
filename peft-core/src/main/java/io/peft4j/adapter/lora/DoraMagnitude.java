package io.peft4j.adapter.lora;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;

/**
 * What DoRA (Liu et al., 2024) adds to LoRA: a trained length for each row of the weight, whose
 * direction is that of {@code W + scaling · B A}.
 *
 * @param magnitude [out]
 * @param rowSquares [out]: squared lengths of the base weight's rows, which do not change
 */
record DoraMagnitude(NDArray magnitude, NDArray rowSquares) {

  /** {@return lengths of the rows of weight + delta, both float32 [out, in]; [out]} */
  static NDArray rowNorms(NDArray weight, NDArray delta) {
    return rowSquares(weight.add(delta)).sqrt();
  }

  static NDArray rowSquares(NDArray weight) {
    return weight.square().sum(new int[] {1});
  }

  /**
   * {@return magnitude / length of (base + delta) · (weight + delta), all [out, in]}
   *
   * @param weight with what is merged already, on {@code scope}
   * @param base without, whose rows give the length
   */
  NDArray apply(NDArray weight, NDArray base, NDArray delta, NDManager scope) {
    NDArray norms = rowNorms(base, delta);
    NDArray factor = magnitude.div(norms);
    factor.attach(scope);
    return weight.add(delta).mul(factor.expandDims(1));
  }
}
