package io.peft4j.adapter.method;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import io.peft4j.model.module.Linear;
import io.peft4j.model.module.Pass;
import io.peft4j.model.module.ProjectionAdapter;
import io.peft4j.torch.Ops;

/** An adapter that adds a matrix to a weight: y + x Dᵀ. */
public abstract class AdditiveProjection implements ProjectionAdapter {

  /** For its subclasses. */
  protected AdditiveProjection() {}

  /**
   * @param like an array whose manager the result should have
   * @return D, float32 [out, in], with its graph
   */
  protected abstract NDArray delta(NDArray like);

  /** As written; a method that has a cheaper way overrides it. */
  @Override
  public NDArray output(NDArray x, NDArray y, Linear linear, Pass pass) {
    return Ops.addLinear(y, x, delta(x));
  }

  @Override
  public final boolean mergeable() {
    return true;
  }

  @Override
  public final NDArray mergedWeight(NDArray weight, NDArray base, NDManager manager) {
    try (NDArray delta = delta(weight)) {
      NDArray merged = weight.add(delta);
      merged.attach(manager);
      return merged;
    }
  }
}
