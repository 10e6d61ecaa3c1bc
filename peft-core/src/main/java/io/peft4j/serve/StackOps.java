package io.peft4j.serve;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import io.peft4j.torch.HostTensors;
import io.peft4j.torch.Script;

/** What stacks of adapters' tensors are written and used by, each in one call. */
final class StackOps {

  private static final Script SCRIPT = Script.of(StackOps.class, "stacks.py");

  private StackOps() {}

  /** {@return a larger stack [shape] in {@code like}'s type, with what {@code old} holds} */
  static NDArray grown(NDArray like, NDArray old, NDManager owner, long... shape) {
    try (NDArray size = HostTensors.numbers(owner, shape)) {
      NDArray grown = SCRIPT.call("grown", like, old, size);
      grown.attach(owner);
      return grown;
    }
  }

  static void clear(NDArray stack, NDArray at) {
    SCRIPT.call("clear", stack, at).close();
  }

  /** Writes a factor A [r, in] into {@code stack} [n, R, in], with zeros up to R. */
  static void put(NDArray stack, NDArray at, NDArray a) {
    SCRIPT.call("put", stack, at, a).close();
  }

  /** Writes a factor B [out, r] into {@code stack} [n, R, out], turned and scaled. */
  static void putScaled(NDArray stack, NDArray at, NDArray b, NDArray scale) {
    SCRIPT.call("put_scaled", stack, at, b, scale).close();
  }

  /** Writes a layer into {@code stack} [n, out, in + 1], with zeros up to its number of outputs. */
  static void putWhole(NDArray stack, NDArray at, NDArray weight, NDArray bias) {
    SCRIPT.call("put_whole", stack, at, weight, bias).close();
  }

  static void move(NDArray stack, NDArray from, NDArray to) {
    SCRIPT.call("move", stack, from, to).close();
  }

  static void swap(NDArray stack, NDArray one, NDArray other) {
    SCRIPT.call("swap", stack, one, other).close();
  }

  /**
   * LoRA into {@code y}, the rows of {@code x} with the factors that follow each other from the
   * first on.
   *
   * @param x [n, l, in] or [n, in]
   * @param range int64 [3]: first, n, rank
   */
  static NDArray byRow(NDArray y, NDArray x, NDArray a, NDArray b, NDArray range) {
    return SCRIPT.call("by_row", y, x, a, b, range);
  }

  /** As {@link #byRow}, all rows with the factors of the first. */
  static NDArray byOne(NDArray y, NDArray x, NDArray a, NDArray b, NDArray range) {
    return SCRIPT.call("by_one", y, x, a, b, range);
  }

  /**
   * As {@link #byRow}, row i with the factors of {@code group[i]}.
   *
   * @param group int64 [n]
   */
  static NDArray byGroup(
      NDArray y, NDArray x, NDArray a, NDArray b, NDArray group, NDArray range) {
    return SCRIPT.call("by_group", y, x, a, b, group, range);
  }

  /** {@return a linear layer of {@code x}, row i with the weight and bias of {@code group[i]}} */
  static NDArray whole(NDArray x, NDArray weights, NDArray group) {
    return SCRIPT.call("whole", x, weights, group);
  }
}
