package io.peft4j.adapter.lora;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import io.peft4j.model.module.Kept;
import io.peft4j.model.module.Linear;
import io.peft4j.model.module.Parameter;
import io.peft4j.model.module.Pass;
import io.peft4j.model.module.ProjectionAdapter;
import io.peft4j.torch.Ops;
import java.util.function.Function;

/** LoRA, or DoRA, on one projection. */
final class LoraProjection implements ProjectionAdapter {

  private final LoraFactors stored;
  private final boolean turned;
  private final DoraMagnitude magnitude;
  private final double dropout;
  private final Function<NDManager, NDArray> residual;

  /**
   * @param turned whether the factors are an embedding's, of the transposed update
   * @param magnitude null for plain LoRA
   * @param residual gives what factors taken from the base's weight left of it, float32 [out, in],
   *     or null if they were not taken from it
   */
  LoraProjection(
      LoraFactors factors,
      boolean turned,
      DoraMagnitude magnitude,
      double dropout,
      Function<NDManager, NDArray> residual) {
    this.stored = factors;
    this.turned = turned;
    this.magnitude = magnitude;
    this.dropout = dropout;
    this.residual = residual;
  }

  /** {@return A and B of this projection; views on {@code scope} where they are another's} */
  private LoraFactors factors(NDManager scope) {
    return turned ? stored.turned(scope) : stored;
  }

  @Override
  public NDArray output(NDArray x, NDArray y, Linear linear, Pass pass) {
    LoraFactors factors = factors(x.getManager());
    NDArray dropped = pass.dropout(x, dropout);
    if (magnitude == null) {
      return LoraOps.lora(y, dropped, factors.a(), factors.b(), factors.bias(), factors.scale());
    }
    // As in peft: what the magnitude scales is the output so far, unless x was dropped out.
    if (dropped == x) {
      Parameter bias = linear.projection().bias();
      return LoraOps.doraWhole(
          y,
          x,
          factors.a(),
          factors.b(),
          factors.scale(),
          magnitude.magnitude(),
          magnitude.rowSquares(),
          weightTimesA(x, factors, linear),
          bias == null ? null : bias.value());
    }
    NDArray base = linear.projection().forward(dropped);
    return LoraOps.dora(
        y,
        withoutBias(base, linear),
        dropped,
        factors.a(),
        factors.b(),
        factors.scale(),
        magnitude.magnitude(),
        magnitude.rowSquares(),
        weightTimesA(x, factors, linear));
  }

  private static NDArray withoutBias(NDArray y, Linear linear) {
    Parameter bias = linear.projection().bias();
    return bias == null ? y : y.sub(bias.value());
  }

  /** W Aᵀ as [r, out], through the projection, so that a quantized weight serves as well. */
  private NDArray weightTimesA(NDArray x, LoraFactors factors, Linear linear) {
    NDArray rows = Ops.detachedLike(x, factors.a());
    return withoutBias(linear.projection().forward(rows), linear);
  }

  @Override
  public boolean mergeable() {
    return true;
  }

  @Override
  public NDArray mergedWeight(NDArray weight, NDArray base, NDManager manager) {
    try (NDManager scope = manager.newSubManager()) {
      NDArray delta = factors(scope).delta(scope);
      NDArray from = weight;
      NDArray alone = base;
      NDArray left = residual.apply(scope);
      if (left != null) {
        alone = left;
        from = weight.sub(base).addi(alone);
        from.attach(scope);
      }
      NDArray merged =
          magnitude == null ? from.add(delta) : magnitude.apply(from, alone, delta, scope);
      merged.attach(manager);
      return merged;
    }
  }

  @Override
  public NDArray mergedBias(NDArray bias, NDManager manager) {
    if (stored.bias() == null) {
      return null;
    }
    try (NDArray delta = stored.bias().mul(stored.scaling())) {
      NDArray merged = bias == null ? delta.duplicate() : bias.add(delta);
      merged.attach(manager);
      return merged;
    }
  }

  @Override
  public Kept kept(long in, long out) {
    long dropped = dropout > 0 ? 2 * in : 0;
    long directions = magnitude == null ? 0 : dropout > 0 ? 3 * out : out;
    long rank = stored.a().getShape().get(0);
    // With a magnitude, B as it is scaled, and what the lengths of rows are made of.
    long wide = magnitude == null ? 0 : 4 * rank * out;
    return new Kept(rank + dropped + directions, 0, wide);
  }

  @Override
  public boolean keepsInput() {
    return dropout == 0; // else what was dropped out of it
  }

  @Override
  public boolean trainable() {
    return stored.trainable();
  }
}
