package io.peft4j.adapter.select;

import ai.djl.ndarray.NDArray;
import io.peft4j.torch.Script;

/** What (IA)³ computes, in one call. */
final class Ia3Ops {

  private static final Script SCRIPT = Script.of(Ia3Ops.class, "ia3.py");

  private Ia3Ops() {}

  /** {@code x} [.., n] times {@code by}, whose n elements may have any shape. */
  static NDArray scaled(NDArray x, NDArray by) {
    return SCRIPT.call("scaled", x, by);
  }
}
