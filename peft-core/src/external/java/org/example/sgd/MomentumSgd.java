package org.example.sgd;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import io.peft4j.train.optimizer.Optimizer;
import io.peft4j.train.optimizer.OptimizerArguments;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Stochastic gradient descent with momentum as {@code torch.optim.SGD} has it: an optimizer that
 * somebody outside of the library writes.
 */
public final class MomentumSgd implements Optimizer {

  private final Map<String, NDArray> parameters;
  private final Map<String, NDArray> state = new LinkedHashMap<>();
  private final double momentum;
  private final double dampening;

  private MomentumSgd(
      Map<String, NDArray> parameters, NDManager manager, double momentum, double dampening) {
    this.parameters = parameters;
    this.momentum = momentum;
    this.dampening = dampening;
    parameters.forEach(
        (name, parameter) -> {
          state.put(name + ".momentum_buffer", manager.zeros(parameter.getShape()));
          state.put(name + ".step", manager.zeros(new Shape(1), DataType.INT64));
        });
  }

  @Override
  public void step(Step step, Map<String, NDArray> gradients) {
    gradients.forEach((name, gradient) -> update(name, gradient, step));
  }

  private void update(String name, NDArray gradient, Step step) {
    NDArray parameter = parameters.get(name);
    NDArray buffer = state.get(name + ".momentum_buffer");
    NDArray count = state.get(name + ".step");
    try (NDArray decay = parameter.mul(step.weightDecay())) {
      NDArray change = gradient.mul(step.gradientScale()).addi(decay);
      // The first gradient is the first buffer, and is not dampened.
      boolean first = count.getLong() == 0;
      buffer.muli(momentum).addi(first ? change : change.mul(1 - dampening));
      count.addi(1);
    }
    try (NDArray move = buffer.mul(step.learningRate())) {
      parameter.subi(move);
    }
  }

  @Override
  public Map<String, NDArray> state() {
    return state;
  }

  /** Makes it. */
  public static final class Provider implements Optimizer.Provider {

    @Override
    public List<String> names() {
      return List.of("sgd_momentum");
    }

    @Override
    public Set<String> argumentNames() {
      return Set.of("momentum", "dampening");
    }

    @Override
    public Map<String, String> plan(OptimizerArguments arguments) {
      return Map.of(
          "optim", arguments.optim(),
          "momentum", Double.toString(within(arguments, "momentum", 0.9)),
          "dampening", Double.toString(within(arguments, "dampening", 0)));
    }

    @Override
    public Optimizer create(
        Map<String, NDArray> parameters, NDManager manager, OptimizerArguments arguments) {
      return new MomentumSgd(
          parameters,
          manager,
          within(arguments, "momentum", 0.9),
          within(arguments, "dampening", 0));
    }

    private static double within(OptimizerArguments arguments, String name, double otherwise) {
      double value = arguments.optimArg(name, otherwise);
      if (value < 0 || value > 1) {
        throw new IllegalArgumentException(
            "optim_args: " + name + " must be in [0, 1], found " + value);
      }
      return value;
    }
  }
}
