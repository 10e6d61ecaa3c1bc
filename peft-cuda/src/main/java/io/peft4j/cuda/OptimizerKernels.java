package io.peft4j.cuda;

import static io.peft4j.cuda.FloatTypes.divideUp;

import io.peft4j.quant.DynamicQuantizer;
import java.util.List;

/** Optimizer steps on the device. Owns the two 8-bit maps there. */
public final class OptimizerKernels implements AutoCloseable {
  /** Elements that share a scale. */
  public static final int BLOCK = 256;

  /**
   * A step of AdamW.
   *
   * @param rate the learning rate
   * @param beta1 the first moment's decay
   * @param beta2 the second moment's decay
   * @param eps added to the root of the second moment
   * @param decay weight decay, decoupled
   * @param step counted from 1
   * @param gradientScale what the gradient is multiplied with first
   */
  public record AdamStep(
      float rate,
      float beta1,
      float beta2,
      float eps,
      float decay,
      int step,
      float gradientScale) {}

  /**
   * A parameter's moments.
   *
   * @param firstCodes a byte an element
   * @param firstAbsmax a float32 a block of {@value #BLOCK}
   * @param secondCodes a byte an element
   * @param secondAbsmax a float32 a block
   */
  public record Moments(
      DeviceSpan firstCodes,
      DeviceSpan firstAbsmax,
      DeviceSpan secondCodes,
      DeviceSpan secondAbsmax) {}

  private final CudaContext context;
  private final DeviceMemory signed;
  private final DeviceMemory unsigned;

  /**
   * @param context stays the caller's
   */
  public OptimizerKernels(CudaContext context) {
    this.context = context;
    signed = DeviceMemory.copyOf(context, DynamicQuantizer.signed().map().toArray());
    try {
      unsigned = DeviceMemory.copyOf(context, DynamicQuantizer.unsigned().map().toArray());
    } catch (RuntimeException e) {
      signed.close();
      throw e;
    }
  }

  /**
   * AdamW (Loshchilov and Hutter, 2019) with 8-bit moments (Dettmers et al., 2022). Moments that
   * are all zero bytes, scales too, are those of a fresh parameter.
   *
   * @param weight {@code count} float32, updated
   * @param gradient {@code count} float32
   * @param moments updated
   */
  public void adamW(
      DeviceSpan weight, DeviceSpan gradient, Moments moments, long count, AdamStep step) {
    long scales = 4 * divideUp(count, BLOCK);
    weight.require("the weight", 4 * count);
    gradient.require("the gradient", 4 * count);
    moments.firstCodes().require("first moments", count);
    moments.secondCodes().require("second moments", count);
    moments.firstAbsmax().require("the first moments' scales", scales);
    moments.secondAbsmax().require("the second moments' scales", scales);
    Arguments arguments =
        new Arguments()
            .pointer(weight)
            .pointer(gradient)
            .pointer(moments.firstCodes())
            .pointer(moments.firstAbsmax())
            .pointer(moments.secondCodes())
            .pointer(moments.secondAbsmax())
            .pointer(signed.span())
            .pointer(unsigned.span())
            .number(count)
            .number(step.rate())
            .number(step.beta1())
            .number(step.beta2())
            .number(step.eps())
            .number(step.decay())
            .number((float) (1 - Math.pow(step.beta1(), step.step())))
            .number((float) (1 - Math.pow(step.beta2(), step.step())))
            .number(step.gradientScale());
    long blocks = Math.min(divideUp(count, BLOCK), 8L * context.status().multiprocessors());
    context.kernel("adamw", "adamw8_f32").launch(blocks, BLOCK, arguments);
  }

  /**
   * Quantizes to 8 bits, blockwise.
   *
   * @param values {@code count} float32, of either sign
   * @param codes takes a byte an element
   * @param absmax takes a float32 a block of {@value #BLOCK}
   */
  public void quantizeSigned(DeviceSpan values, DeviceSpan codes, DeviceSpan absmax, long count) {
    values.require("the values", 4 * count);
    codes.require("the codes", count);
    absmax.require("the scales", 4 * divideUp(count, BLOCK));
    Arguments arguments = new Arguments().pointer(values).pointer(signed.span()).pointer(codes);
    arguments.pointer(absmax).number(count);
    context
        .kernel("adamw", "quantize_dynamic_f32")
        .launch(divideUp(count, BLOCK), BLOCK, arguments);
  }

  @Override
  public void close() {
    DeviceMemory.closeAll(List.of(signed, unsigned));
  }
}
