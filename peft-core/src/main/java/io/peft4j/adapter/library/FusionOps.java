package io.peft4j.adapter.library;

import ai.djl.ndarray.NDArray;
import io.peft4j.torch.Script;

/** What AdapterFusion computes, each in one call. */
final class FusionOps {

  private static final Script SCRIPT = Script.of(FusionOps.class, "fusion.py");

  private FusionOps() {}

  /** {@return products of {@code q} [.., h] with each of {@code all} [.., n, h]; [.., n]} */
  static NDArray fusionScores(NDArray all, NDArray q) {
    return SCRIPT.call("fusion_scores", all, q);
  }

  /** {@return the mean of {@code all} [.., n, h], weighed by the softmax of {@code scores}} */
  static NDArray fusionContext(NDArray scores, NDArray all) {
    return SCRIPT.call("fusion_context", scores, all);
  }
}
