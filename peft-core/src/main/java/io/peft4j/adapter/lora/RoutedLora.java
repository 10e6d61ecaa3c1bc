package io.peft4j.adapter.lora;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import io.peft4j.model.module.Kept;
import io.peft4j.model.module.Linear;
import io.peft4j.model.module.Pass;
import io.peft4j.model.module.ProjectionAdapter;

/**
 * LoRA where each row of the batch has factors of its own.
 *
 * @param a [adapters, r, in]
 * @param b [adapters, out, r], scaled
 */
public record RoutedLora(NDArray a, NDArray b) implements ProjectionAdapter {

  @Override
  public NDArray output(NDArray x, NDArray y, Linear linear, Pass pass) {
    return LoraOps.routedLora(y, x, a, b, pass.groups(x));
  }

  @Override
  public boolean mergeable() {
    return false;
  }

  @Override
  public NDArray mergedWeight(NDArray weight, NDArray base, NDManager manager) {
    throw new IllegalArgumentException("several adapters cannot be merged into one weight");
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
