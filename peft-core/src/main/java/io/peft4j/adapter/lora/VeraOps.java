package io.peft4j.adapter.lora;

import ai.djl.ndarray.NDArray;
import io.peft4j.torch.Script;

/** What VeRA computes, each in one call. */
final class VeraOps {

  private static final Script SCRIPT = Script.of(VeraOps.class, "vera.py");

  private VeraOps() {}

  /**
   * VeRA: {@code y + b · B (d · A x)}, of A [r, at least in] and B [at least out, r] the part that
   * fits x [.., in] and y [.., out].
   */
  static NDArray vera(NDArray y, NDArray x, NDArray a, NDArray b, NDArray d, NDArray scale) {
    return SCRIPT.call("vera", y, x, a, b, d, scale);
  }

  /** What {@link #vera} adds to a weight like {@code weight}. */
  static NDArray veraDelta(NDArray weight, NDArray a, NDArray b, NDArray d, NDArray scale) {
    return SCRIPT.call("vera_delta", weight, a, b, d, scale);
  }
}
