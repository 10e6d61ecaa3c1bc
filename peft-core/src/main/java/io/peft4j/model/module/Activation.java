package io.peft4j.model.module;

import ai.djl.ndarray.NDArray;
import io.peft4j.torch.Ops;
import java.util.function.UnaryOperator;

/** Element-wise non-linearities, by the names that {@code config.json} uses. */
public enum Activation {
  GELU(Ops::gelu, "gelu", "gelu_python"),
  GELU_TANH(Ops::geluTanh, "gelu_new", "gelu_pytorch_tanh", "gelu_fast"),
  RELU(Ops::relu, "relu"),
  SILU(Ops::silu, "silu", "swish"),
  TANH(NDArray::tanh, "tanh"),
  SIGMOID(Ops::sigmoid, "sigmoid"),
  LEAKY_RELU(Ops::leakyRelu, "leakyrelu", "leaky_relu");

  private final UnaryOperator<NDArray> function;
  private final String[] names;

  Activation(UnaryOperator<NDArray> function, String... names) {
    this.function = function;
    this.names = names;
  }

  /**
   * {@return the activation of that name}
   *
   * @throws IllegalArgumentException if there is none
   */
  public static Activation named(String name) {
    for (Activation activation : values()) {
      for (String known : activation.names) {
        if (known.equals(name)) {
          return activation;
        }
      }
    }
    throw new IllegalArgumentException("no activation named '" + name + "'");
  }

  /** {@return the function of each element} */
  public NDArray apply(NDArray x) {
    return function.apply(x);
  }
}
