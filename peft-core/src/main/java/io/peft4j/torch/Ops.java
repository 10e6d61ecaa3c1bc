package io.peft4j.torch;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.jni.JniUtils;

/**
 * Tensor operations that DJL's {@link NDArray} does not offer, with autograd: element types, rows,
 * activations, decompositions. Most are functions of {@code ops.py}. A result belongs to the
 * manager of the first argument.
 *
 * <p>Thread-safe, as are its like: {@link AttentionOps}, {@link TrainingOps}.
 */
public final class Ops {

  private Ops() {}

  /** {@return whether {@code x} is bfloat16, which DJL has no name for} */
  public static boolean isBfloat16(NDArray x) {
    return x.getDataType() == DataType.UNKNOWN;
  }

  public static NDArray toBfloat16(NDArray x) {
    return OpsScript.call("to_bfloat16", x);
  }

  public static NDArray toFloat32(NDArray x) {
    return OpsScript.call("to_float32", x);
  }

  /** {@return a copy of {@code x} in float32, on {@code owner}} */
  public static NDArray wideCopy(NDArray x, NDManager owner) {
    try (NDArray wide = toFloat32(x)) {
      NDArray copy = wide.duplicate();
      copy.attach(owner);
      return copy;
    }
  }

  /**
   * {@return {@code x} in the element type of {@code like}}: {@code x} itself where it has that
   * already, else a new array on {@code like}'s manager
   */
  public static NDArray typedLike(NDArray like, NDArray x) {
    return x.getDataType() == like.getDataType() ? x : OpsScript.call("typed_like", like, x);
  }

  /** {@return an uninitialized array on {@code manager}, and its device} */
  public static NDArray empty(NDManager manager, NativeTensor.Type type, Shape shape) {
    try (NDArray like = manager.create(0f)) {
      return emptyOn(like, type, shape);
    }
  }

  /** {@return an uninitialized array where {@code like} is, of its owner} */
  static NDArray emptyOn(NDArray like, NativeTensor.Type type, Shape shape) {
    NDManager manager = like.getManager();
    try (NDArray sizes = HostTensors.numbers(manager, shape.getShape());
        NDArray code = HostTensors.number(manager, (long) type.code())) {
      return OpsScript.call("empty", like, sizes, code);
    }
  }

  /** {@return an uninitialized array like {@code x} in shape, type and owner} */
  public static NDArray emptyLike(NDArray x) {
    return OpsScript.call("empty_like", x);
  }

  /** {@return the same data, cut from the graph} */
  public static NDArray detach(NDArray x) {
    return OpsScript.call("detach", x);
  }

  /** {@return {@code x}, cut from the graph, in the type of {@code like} and on its manager} */
  public static NDArray detachedLike(NDArray like, NDArray x) {
    return OpsScript.call("detached_like", like, x);
  }

  /**
   * Picks rows: {@code x} [.., d] seen as [n, d], {@code index} int64 of any shape s, result [s,
   * d].
   */
  public static NDArray rows(NDArray x, NDArray index) {
    return OpsScript.call("rows", x, index);
  }

  /** {@code x Wᵀ + b}: x [.., in], weight [out, in], bias [out] or null, result [.., out]. */
  public static NDArray linear(NDArray x, NDArray weight, NDArray bias) {
    return JniUtils.linear((PtNDArray) x, (PtNDArray) weight, (PtNDArray) bias);
  }

  /** Row lookup: ids int64 [..], table [n, d], result [.., d] on {@code ids}' manager. */
  public static NDArray embedding(NDArray ids, NDArray table) {
    return JniUtils.embedding((PtNDArray) ids, (PtNDArray) table, false);
  }

  /** Layer normalization over the last dimension (Ba et al., 2016). */
  public static NDArray layerNorm(NDArray x, NDArray weight, NDArray bias, double epsilon) {
    Shape last = new Shape(x.getShape().get(x.getShape().dimension() - 1));
    return JniUtils.layerNorm((PtNDArray) x, last, (PtNDArray) weight, (PtNDArray) bias, epsilon);
  }

  public static NDArray gelu(NDArray x) {
    return JniUtils.gelu((PtNDArray) x);
  }

  /** GELU by its tanh approximation, HF's {@code gelu_new}. */
  public static NDArray geluTanh(NDArray x) {
    return OpsScript.call("gelu_tanh", x);
  }

  public static NDArray relu(NDArray x) {
    return JniUtils.relu((PtNDArray) x);
  }

  public static NDArray sigmoid(NDArray x) {
    return OpsScript.call("sigmoid", x);
  }

  public static NDArray leakyRelu(NDArray x) {
    return OpsScript.call("leaky_relu", x);
  }

  public static NDArray silu(NDArray x) {
    return OpsScript.call("silu", x);
  }

  /**
   * Root-mean-square normalization over the last dimension (Zhang and Sennrich, 2019), computed in
   * float32.
   *
   * @param weight the factor of each element; in {@code x}'s type
   * @param epsilon 0-d
   */
  public static NDArray rmsNorm(NDArray x, NDArray weight, NDArray epsilon) {
    return OpsScript.call("rms_norm", x, weight, epsilon);
  }

  /** As {@link #rmsNorm}, where {@code 1 + weight} is the factor (Gemma). */
  public static NDArray rmsNormOffset(NDArray x, NDArray weight, NDArray epsilon) {
    return OpsScript.call("rms_norm_offset", x, weight, epsilon);
  }

  /** Splits the last dimension in the middle. */
  public static NDList halves(NDArray x) {
    return OpsScript.run("halves", new NDList(x));
  }

  /** {@code cap · tanh(x / cap)}; cap 0-d. */
  public static NDArray softCap(NDArray x, NDArray cap) {
    return OpsScript.call("soft_cap", x, cap);
  }

  /** {@return the entries {@code index} int64 [n] of {@code x}'s first dimension} */
  public static NDArray pick(NDArray x, NDArray index) {
    return OpsScript.call("pick", x, index);
  }

  /** {@return columns of {@code table} in the type of {@code like} and on its manager} */
  public static NDArray columns(NDArray like, NDArray table, long from, long count) {
    try (NDArray start = HostTensors.number(like.getManager(), from);
        NDArray n = HostTensors.number(like.getManager(), count)) {
      return OpsScript.call("columns", like, table, start, n);
    }
  }

  /** Multiplies {@code x} in place, outside of any graph. */
  public static void multiplyInPlace(NDArray x, NDArray by) {
    OpsScript.call("multiply_", x, by).close();
  }

  /** {@return the same numbers, laid out in order of the shape} */
  public static NDArray contiguous(NDArray x) {
    return OpsScript.call("contiguous", x);
  }

  /** {@return another handle to {@code x}, in its graph, on {@code like}'s manager} */
  public static NDArray borrowed(NDArray like, NDArray x) {
    return OpsScript.call("borrowed", like, x);
  }

  /** {@return entries of {@code x}'s first dimension, not a copy, on {@code like}'s manager} */
  public static NDArray rowRange(NDArray like, NDArray x, long from, long count) {
    try (NDArray start = HostTensors.number(like.getManager(), from);
        NDArray n = HostTensors.number(like.getManager(), count)) {
      return OpsScript.call("row_range", like, x, start, n);
    }
  }

  /** {@return int64 {@code ids}, with 0 for those below} */
  public static NDArray atLeastZero(NDArray ids) {
    return OpsScript.call("at_least_zero", ids);
  }

  /** Reduced singular value decomposition: x [m, n] to U [m, k], S [k], Vᵀ [k, n]. */
  public static NDList svd(NDArray x) {
    return OpsScript.run("svd", new NDList(x));
  }

  /** Reduced QR decomposition: x [m, n] to Q [m, k], R [k, n]. */
  public static NDList qr(NDArray x) {
    return OpsScript.run("qr", new NDList(x));
  }

  /** {@code y + x Wᵀ}, the weight read in {@code x}'s type. */
  public static NDArray addLinear(NDArray y, NDArray x, NDArray weight) {
    return OpsScript.call("add_linear", y, x, weight);
  }

  /**
   * {@return in place of each row of {@code x} [r, l, n] the mean of those with its owner}
   *
   * @param owner int64 [r, l], 0 to {@code owners}
   */
  public static NDArray meanByOwner(NDArray x, NDArray owner, int owners) {
    try (NDArray n = HostTensors.number(x.getManager(), (long) owners)) {
      return OpsScript.call("mean_by_owner", x, owner, n);
    }
  }
}
