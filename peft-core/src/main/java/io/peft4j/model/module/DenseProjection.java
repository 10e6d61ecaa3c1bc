package io.peft4j.model.module;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import io.peft4j.torch.Ops;

/** A projection whose weight is an ordinary tensor. */
public final class DenseProjection implements Projection {

  private final Parameter weight;
  private final Parameter bias;
  private NDArray merged;

  /**
   * @param weight [out, in]
   * @param bias [out], or null
   */
  public DenseProjection(Parameter weight, Parameter bias) {
    this.weight = weight;
    this.bias = bias;
  }

  @Override
  public NDArray forward(NDArray x) {
    return Ops.linear(x, weight.valueFor(x), bias == null ? null : bias.valueFor(x));
  }

  @Override
  public long in() {
    return weight.shape().get(1);
  }

  @Override
  public long out() {
    return weight.shape().get(0);
  }

  @Override
  public NDArray weight(NDManager manager) {
    return Ops.wideCopy(weight.value(), manager);
  }

  @Override
  public NDArray storedWeight(NDManager manager) {
    return Ops.wideCopy(weight.base(), manager);
  }

  /** {@return the weight itself, for who trains or reads it} */
  Parameter weight() {
    return weight;
  }

  @Override
  public Parameter bias() {
    return bias;
  }

  @Override
  public void merge(NDArray newWeight) {
    NDArray typed = Ops.typedLike(weight.base(), newWeight);
    if (typed != newWeight) {
      newWeight.close();
    }
    weight.lay(this, typed);
    if (merged != null) {
      merged.close();
    }
    merged = typed;
  }

  @Override
  public void unmerge() {
    weight.lift(this);
    if (merged != null) {
      merged.close();
      merged = null;
    }
  }

  @Override
  public boolean trainable() {
    return weight.trainable() || (bias != null && bias.trainable());
  }
}
