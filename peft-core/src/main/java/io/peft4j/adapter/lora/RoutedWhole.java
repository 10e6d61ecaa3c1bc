package io.peft4j.adapter.lora;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import io.peft4j.model.module.Kept;
import io.peft4j.model.module.Linear;
import io.peft4j.model.module.Pass;
import io.peft4j.model.module.ProjectionAdapter;

/**
 * A head where each row of the batch has a weight of its own.
 *
 * @param weight [adapters, out, in]
 * @param bias [adapters, out], or null
 */
public record RoutedWhole(NDArray weight, NDArray bias) implements ProjectionAdapter {

  @Override
  public NDArray output(NDArray x, NDArray y, Linear linear, Pass pass) {
    return LoraOps.routedLinear(x, weight, bias, pass.groups(x));
  }

  @Override
  public boolean mergeable() {
    return false;
  }

  @Override
  public NDArray mergedWeight(NDArray weight, NDArray base, NDManager manager) {
    throw new IllegalArgumentException("several heads cannot be merged into one weight");
  }

  /** It is not trained. */
  @Override
  public Kept kept(long in, long out) {
    return Kept.NOTHING;
  }

  @Override
  public boolean trainable() {
    return false;
  }
}
