package io.peft4j.cli;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import io.peft4j.train.optimizer.Optimizer;
import io.peft4j.train.optimizer.OptimizerArguments;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** An optimizer with an argument of its own: gradient descent whose steps are shrunk by it. */
public final class ShrinkingSgd implements Optimizer.Provider {

  static final String NAME = "shrinking_sgd";

  @Override
  public List<String> names() {
    return List.of(NAME);
  }

  @Override
  public Set<String> argumentNames() {
    return Set.of("shrink");
  }

  @Override
  public Optimizer create(
      Map<String, NDArray> parameters, NDManager manager, OptimizerArguments arguments) {
    double shrink = arguments.optimArg("shrink", 1);
    return new Optimizer() {
      @Override
      public void step(Step step, Map<String, NDArray> gradients) {
        double factor = shrink * step.learningRate() * step.gradientScale();
        gradients.forEach((name, gradient) -> parameters.get(name).subi(gradient.mul(factor)));
      }

      @Override
      public Map<String, NDArray> state() {
        return Map.of();
      }
    };
  }
}
