package io.peft4j.serve;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import io.peft4j.torch.HostTensors;
import io.peft4j.torch.Script;

/** What stacks of adapters' tensors are written and used by, each in one call. */
final class StackOps {

  private static final Script SCRIPT = Script.of(StackOps.class, "stacks.py");

  private StackOps() {}

  /** {@return a larger stack [shape] with what {@code old} holds, of {@code owner}} */
  static NDArray grown(NDArray old, NDManager owner, long... shape) {
    try (NDArray size = HostTensors.numbers(owner, shape)) {
      NDArray grown = SCRIPT.call("grown", old, size);
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
   * {@return a part of a stack [n, R, width], not a copy}
   *
   * @param range int64 [3]: the first entry, how many, rows of each; where they are 0, the first
   *     alone, [rows, width]
   */
  static NDArray part(NDArray stack, NDArray range) {
    return SCRIPT.call("part", stack, range);
  }

  /**
   * LoRA into {@code y}, row i of {@code x} with factors of its own.
   *
   * @param x [n, l, in] or [n, in]
   * @param a float32 [n, r, in]
   * @param b float32 [n, r, out], scaled
   */
  static NDArray byRow(NDArray y, NDArray x, NDArray a, NDArray b) {
    return SCRIPT.call("by_row", y, x, a, b);
  }

  /** As {@link #byRow}, all rows with the same factors: a [r, in], b [r, out]. */
  static NDArray byOne(NDArray y, NDArray x, NDArray a, NDArray b) {
    return SCRIPT.call("by_one", y, x, a, b);
  }

  /**
   * As {@link #byRow}, row i with the factors at {@code group[i]} of stacks.
   *
   * @param group int64 [n]
   * @param rank 0-d, how many rows of the factors
   */
  static NDArray byGroup(NDArray y, NDArray x, NDArray a, NDArray b, NDArray group, NDArray rank) {
    return SCRIPT.call("by_group", y, x, a, b, group, rank);
  }

  /** {@return a linear layer of {@code x}, row i with the weight and bias of {@code group[i]}} */
  static NDArray whole(NDArray x, NDArray weights, NDArray group) {
    return SCRIPT.call("whole", x, weights, group);
  }
}
