package io.peft4j.adapter.prompt;

import ai.djl.ndarray.NDArray;
import io.peft4j.torch.HostTensors;
import io.peft4j.torch.Script;

/** What prompt tuning and P-tuning compute, each in one call. */
final class PromptOps {

  private static final Script SCRIPT = Script.of(PromptOps.class, "prompt.py");

  private PromptOps() {}

  /**
   * {@return {@code y} [.., d] with row {@code k} of {@code rows} [n, d] wherever {@code ids} [..]
   * is {@code -1 - offset - k}}
   */
  static NDArray virtualRows(NDArray ids, NDArray y, NDArray rows, int offset) {
    try (NDArray from = HostTensors.number(ids.getManager(), (long) offset)) {
      return SCRIPT.call("virtual_rows", ids, y, rows, from);
    }
  }

  /**
   * A bidirectional LSTM layer (Hochreiter and Schmidhuber, 1997).
   *
   * @param x [l, in]
   * @param weights of input and state [4 h, in] and [4 h, h], biases [4 h] and [4 h], and the same
   *     for the other direction
   * @return [l, 2 h]
   */
  static NDArray lstm(NDArray x, NDArray[] weights) {
    NDArray[] all = new NDArray[1 + weights.length];
    all[0] = x;
    System.arraycopy(weights, 0, all, 1, weights.length);
    return SCRIPT.call("lstm", all);
  }
}
