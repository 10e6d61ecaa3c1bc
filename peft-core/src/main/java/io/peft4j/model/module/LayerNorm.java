package io.peft4j.model.module;

import ai.djl.ndarray.NDArray;
import io.peft4j.torch.Ops;
import java.util.List;

/** Layer normalization over the last dimension (Ba et al., 2016). */
public final class LayerNorm implements Norm {

  private final String name;
  private final Parameter weight;
  private final Parameter bias;
  private final double epsilon;

  public LayerNorm(String name, Parameter weight, Parameter bias, double epsilon) {
    this.name = name;
    this.weight = weight;
    this.bias = bias;
    this.epsilon = epsilon;
  }

  @Override
  public String name() {
    return name;
  }

  @Override
  public List<Parameter> parameters() {
    return List.of(weight, bias);
  }

  @Override
  public NDArray forward(NDArray x) {
    return Ops.layerNorm(x, weight.valueFor(x), bias.valueFor(x), epsilon);
  }

  @Override
  public boolean trainable() {
    return weight.trainable() || bias.trainable();
  }
}
