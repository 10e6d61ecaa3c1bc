package io.peft4j.model.module;

import java.util.List;

/** A leaf of a model's module tree, under its Hugging Face name. */
public sealed interface Module permits Linear, Embedding, Norm {

  /** {@return the name, such as {@code bert.encoder.layer.0.attention.self.query}} */
  String name();

  /**
   * {@return the tensors it holds as they are in a checkpoint; quantized weights are not among
   * them}
   */
  List<Parameter> parameters();

  /** {@return how many numbers the base has in this module, however they are stored} */
  default long size() {
    return parameters().stream()
        .filter(parameter -> parameter.tied() == null)
        .mapToLong(parameter -> parameter.shape().size())
        .sum();
  }

  /** {@return whether a training step needs gradients inside this module} */
  boolean trainable();
}
