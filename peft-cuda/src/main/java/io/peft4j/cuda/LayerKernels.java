package io.peft4j.cuda;

import static io.peft4j.cuda.FloatTypes.divideUp;
import static io.peft4j.cuda.FloatTypes.suffix;

import io.peft4j.quant.FloatType;

/** The parts of a decoder layer that memory bounds, forward and backward. Row-major throughout. */
public final class LayerKernels {
  private final CudaContext context;

  /**
   * @param context stays the caller's
   */
  public LayerKernels(CudaContext context) {
    this.context = context;
  }

  /**
   * Root-mean-square norm (Zhang and Sennrich, 2019): {@code y = x rstd (offset + weight)}.
   *
   * @param x {@code [rows, width]}
   * @param weight {@code [width]}
   * @param offset 1 for the Gemma family, else 0
   * @param y takes {@code [rows, width]}
   * @param rstd takes {@code [rows]} float32, for the way back
   */
  public void rmsNorm(
      FloatType type,
      DeviceSpan x,
      DeviceSpan weight,
      int rows,
      int width,
      float eps,
      float offset,
      DeviceSpan y,
      DeviceSpan rstd) {
    long bytes = (long) rows * width * type.bytes();
    x.require("x", bytes);
    y.require("y", bytes);
    weight.require("weight", (long) width * type.bytes());
    rstd.require("rstd", 4L * rows);
    Arguments arguments = new Arguments().pointer(x).pointer(weight).pointer(y).pointer(rstd);
    arguments.number(width).number(eps).number(offset);
    context.kernel("rms_norm", "rms_norm_" + suffix(type)).launch(rows, 256, arguments);
  }

  /**
   * The norm's gradient.
   *
   * @param dx takes {@code [rows, width]}
   * @param dweight takes {@code [width]} float32, or null where the weight is frozen
   */
  public void rmsNormBackward(
      FloatType type,
      DeviceSpan dy,
      DeviceSpan x,
      DeviceSpan weight,
      DeviceSpan rstd,
      int rows,
      int width,
      float offset,
      DeviceSpan dx,
      DeviceSpan dweight) {
    long bytes = (long) rows * width * type.bytes();
    dy.require("dy", bytes);
    x.require("x", bytes);
    dx.require("dx", bytes);
    weight.require("weight", (long) width * type.bytes());
    rstd.require("rstd", 4L * rows);
    if (dweight != null) { // first: dx may be dy
      dweight.require("dweight", 4L * width);
      Arguments arguments = new Arguments().pointer(dy).pointer(x).pointer(rstd).pointer(dweight);
      arguments.number(rows).number(width);
      context
          .kernel("rms_norm", "rms_norm_weight_" + suffix(type))
          .launch(divideUp(width, 32), 256, arguments);
    }
    Arguments arguments = new Arguments().pointer(dy).pointer(x).pointer(weight).pointer(rstd);
    arguments.pointer(dx).number(width).number(offset);
    context.kernel("rms_norm", "rms_norm_backward_" + suffix(type)).launch(rows, 256, arguments);
  }

  /**
   * Rotary embedding (Su et al., 2021) in place, in Hugging Face's layout: element {@code i} turns
   * with element {@code i + half}.
   *
   * @param x {@code [tokens, heads, 2 half]}, with {@code tokenStride} elements from token to token
   * @param cosine {@code [positions, half]} float32
   * @param sine {@code [positions, half]} float32
   * @param position {@code [tokens]} int32, below the tables' positions
   * @param backward whether to turn the other way, which is the gradient
   */
  public void rotary(
      FloatType type,
      DeviceSpan x,
      DeviceSpan cosine,
      DeviceSpan sine,
      DeviceSpan position,
      int tokens,
      int heads,
      int half,
      long tokenStride,
      boolean backward) {
    x.require("x", ((tokens - 1) * tokenStride + 2L * heads * half) * type.bytes());
    position.require("position", 4L * tokens);
    cosine.require("cosine", 4L * half);
    sine.require("sine", 4L * half);
    Arguments arguments =
        new Arguments().pointer(x).pointer(cosine).pointer(sine).pointer(position);
    arguments.number(tokens).number(heads).number(half).number(tokenStride);
    arguments.number(backward ? -1f : 1f);
    long threads = (long) tokens * heads * divideUp(half, 8);
    context
        .kernel("rotary", "rotary_" + suffix(type))
        .launch(divideUp(threads, 256), 256, arguments);
  }

  /**
   * {@code y = silu(gate) up} (Shazeer, 2020).
   *
   * @param y takes {@code count} elements, may be either input
   */
  public void swiglu(FloatType type, DeviceSpan gate, DeviceSpan up, DeviceSpan y, long count) {
    requireAll(count * type.bytes(), gate, up, y);
    Arguments arguments = new Arguments().pointer(gate).pointer(up).pointer(y).number(count);
    context
        .kernel("swiglu", "swiglu_" + suffix(type))
        .launch(elementwiseBlocks(count), 256, arguments);
  }

  /**
   * Its gradients.
   *
   * @param dgate takes {@code count} elements, may be {@code gate}
   * @param dup takes {@code count} elements, may be {@code up}
   */
  public void swigluBackward(
      FloatType type,
      DeviceSpan dy,
      DeviceSpan gate,
      DeviceSpan up,
      DeviceSpan dgate,
      DeviceSpan dup,
      long count) {
    requireAll(count * type.bytes(), dy, gate, up, dgate, dup);
    Arguments arguments = new Arguments().pointer(dy).pointer(gate).pointer(up);
    arguments.pointer(dgate).pointer(dup).number(count);
    context
        .kernel("swiglu", "swiglu_backward_" + suffix(type))
        .launch(elementwiseBlocks(count), 256, arguments);
  }

  /**
   * Cross entropy of a chunk of rows.
   *
   * @param logits {@code [rows, classes]}
   * @param labels {@code [rows]} int64
   * @param ignored the label of rows that do not count, as −100
   * @param loss takes {@code [rows]} float32: 0 for ignored rows, NaN for labels that are no class
   * @param lse takes {@code [rows]} float32, for the way back
   */
  public void crossEntropy(
      FloatType type,
      DeviceSpan logits,
      DeviceSpan labels,
      int rows,
      int classes,
      long ignored,
      DeviceSpan loss,
      DeviceSpan lse) {
    logits.require("logits", (long) rows * classes * type.bytes());
    labels.require("labels", 8L * rows);
    loss.require("loss", 4L * rows);
    lse.require("lse", 4L * rows);
    Arguments arguments =
        new Arguments().pointer(logits).pointer(labels).pointer(loss).pointer(lse);
    arguments.number(classes).number(ignored);
    context.kernel("cross_entropy", "cross_entropy_" + suffix(type)).launch(rows, 512, arguments);
  }

  /**
   * Puts the loss's gradient in the logits' place.
   *
   * @param scale what each row's gradient is multiplied with: 1 / counted rows for the mean
   */
  public void crossEntropyBackward(
      FloatType type,
      DeviceSpan logits,
      DeviceSpan labels,
      DeviceSpan lse,
      int rows,
      int classes,
      long ignored,
      float scale) {
    logits.require("logits", (long) rows * classes * type.bytes());
    labels.require("labels", 8L * rows);
    lse.require("lse", 4L * rows);
    Arguments arguments = new Arguments().pointer(logits).pointer(labels).pointer(lse);
    arguments.number(classes).number(ignored).number(scale);
    context
        .kernel("cross_entropy", "cross_entropy_backward_" + suffix(type))
        .launch(rows, 512, arguments);
  }

  private static void requireAll(long bytes, DeviceSpan... spans) {
    for (DeviceSpan span : spans) {
      span.require("each operand", bytes);
    }
  }

  private static long elementwiseBlocks(long count) {
    return Math.min(divideUp(count, 8 * 256), 1 << 16);
  }
}
