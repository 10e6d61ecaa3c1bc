package io.peft4j.model.module;

import ai.djl.ndarray.NDArray;
import io.peft4j.torch.Ops;
import java.util.List;

/** Root-mean-square normalization over the last dimension (Zhang and Sennrich, 2019). */
public final class RmsNorm implements Norm {

  private final String name;
  private final Parameter weight;
  private final NDArray epsilon;
  private final boolean offset;

  /**
   * @param epsilon 0-d
   * @param offset whether {@code 1 + weight} is the factor, rather than {@code weight}
   */
  public RmsNorm(String name, Parameter weight, NDArray epsilon, boolean offset) {
    this.name = name;
    this.weight = weight;
    this.epsilon = epsilon;
    this.offset = offset;
  }

  @Override
  public String name() {
    return name;
  }

  @Override
  public List<Parameter> parameters() {
    return List.of(weight);
  }

  @Override
  public NDArray forward(NDArray x) {
    return offset
        ? Ops.rmsNormOffset(x, weight.valueFor(x), epsilon)
        : Ops.rmsNorm(x, weight.valueFor(x), epsilon);
  }

  @Override
  public boolean trainable() {
    return weight.trainable();
  }
}
