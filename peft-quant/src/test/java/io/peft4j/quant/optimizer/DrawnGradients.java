package io.peft4j.quant.optimizer;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import io.peft4j.torch.Autograd;
import java.util.Random;

/** Gradients that tests of optimizers choose. */
final class DrawnGradients {

  private DrawnGradients() {}

  /** {@return numbers of N(0, 1)} */
  static float[] floats(long seed, int size) {
    Random random = new Random(seed);
    float[] values = new float[size];
    for (int i = 0; i < size; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return values;
  }

  /** {@return a parameter that starts at {@link #floats}} */
  static NDArray parameter(NDManager manager, long seed, int size) {
    NDArray parameter = manager.create(floats(seed, size));
    parameter.setRequiresGradient(true);
    return parameter;
  }

  /** Adds {@code gradient} to that of {@code parameter}. */
  static void add(NDArray parameter, float[] gradient) {
    try (NDManager scope = parameter.getManager().newSubManager();
        Autograd.Mode recording = Autograd.record()) {
      NDArray product = parameter.mul(scope.create(gradient));
      product.attach(scope);
      NDArray sum = product.sum();
      sum.attach(scope);
      Autograd.backward(sum, sum.onesLike());
    }
  }
}
