package io.peft4j.adapter.lora;

import ai.djl.ndarray.NDArray;
import io.peft4j.torch.HostTensors;
import io.peft4j.torch.Script;

/** What AdaLoRA computes, each in one call. */
final class AdaLoraOps {

  private static final Script SCRIPT = Script.of(AdaLoraOps.class, "adalora.py");

  private AdaLoraOps() {}

  /** AdaLoRA: {@code y + scale · ((x (e ⊙ A)ᵀ) Bᵀ)}; a [r, in], e [r, 1], b [out, r]. */
  static NDArray tripletLora(NDArray y, NDArray x, NDArray a, NDArray e, NDArray b, NDArray scale) {
    return SCRIPT.call("triplet_lora", y, x, a, e, b, scale);
  }

  /** What {@link #tripletLora} adds to a weight, on {@code like}'s manager. */
  static NDArray tripletDelta(NDArray like, NDArray a, NDArray e, NDArray b, NDArray scale) {
    return SCRIPT.call("triplet_delta", like, a, e, b, scale);
  }

  /** {@return the Frobenius norm of {@code P Pᵀ - I}, or of {@code Pᵀ P - I}; 0-d} */
  static NDArray orthogonality(NDArray p, boolean columns) {
    return SCRIPT.call(columns ? "column_orthogonality" : "orthogonality", p);
  }

  /**
   * Updates running means in place: of {@code |p · gradient|}, and of its deviation from that mean.
   *
   * @param hyper factor on the gradient, and the decays of the two means
   */
  static void observeImportance(
      NDArray p, NDArray gradient, NDArray sensitivity, NDArray uncertainty, double[] hyper) {
    try (NDArray values = HostTensors.numbers(p.getManager(), hyper)) {
      SCRIPT.call("observe_importance", p, gradient, sensitivity, uncertainty, values).close();
    }
  }
}
