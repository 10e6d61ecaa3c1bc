package io.peft4j.train;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import io.peft4j.torch.Autograd;
import io.peft4j.torch.Ops;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Adam with decoupled weight decay (Loshchilov and Hutter, 2019), in float32, in place. Owns its
 * state, two arrays a parameter.
 */
final class AdamW implements AutoCloseable {

  private final TrainingArguments arguments;
  private final Map<String, NDArray> parameters;
  private final List<ParameterGroup> groups;
  private final NDManager manager;
  private final Map<String, NDArray> firstMoments = new LinkedHashMap<>();
  private final Map<String, NDArray> secondMoments = new LinkedHashMap<>();
  private int steps;

  /**
   * @param parameters what to train, by name; float32 with gradients
   */
  AdamW(Map<String, NDArray> parameters, NDManager parent, TrainingArguments arguments) {
    this.arguments = arguments;
    this.parameters = parameters;
    this.groups = ParameterGroup.of(parameters, arguments);
    this.manager = parent.newSubManager();
    parameters.forEach(
        (name, parameter) -> {
          firstMoments.put(name, manager.zeros(parameter.getShape()));
          secondMoments.put(name, manager.zeros(parameter.getShape()));
        });
  }

  /** {@return the length of all gradients together (the L2 norm)} */
  double gradientNorm() {
    try (NDManager scope = manager.newSubManager();
        Autograd.Mode paused = Autograd.pause()) {
      List<NDArray> gradients = new ArrayList<>();
      for (NDArray parameter : parameters.values()) {
        NDArray gradient = gradient(parameter, scope);
        if (gradient != null) {
          gradients.add(gradient);
        }
      }
      return gradients.isEmpty() ? 0 : Ops.globalNorm(gradients).getDouble();
    }
  }

  private static NDArray gradient(NDArray parameter, NDManager scope) {
    NDArray gradient = Autograd.gradient(parameter);
    if (gradient != null) {
      gradient.attach(scope);
    }
    return gradient;
  }

  /**
   * One update.
   *
   * @param gradientScale factor on the gradients, below 1 where they are clipped
   */
  void step(double learningRate, double gradientScale) {
    steps++;
    try (Autograd.Mode paused = Autograd.pause()) {
      for (ParameterGroup group : groups) {
        update(group, learningRate * group.rateFactor(), gradientScale);
      }
    }
  }

  private void update(ParameterGroup group, double learningRate, double gradientScale) {
    List<NDArray> p = new ArrayList<>();
    List<NDArray> g = new ArrayList<>();
    List<NDArray> m = new ArrayList<>();
    List<NDArray> v = new ArrayList<>();
    try (NDManager scope = manager.newSubManager()) {
      for (String name : group.names()) {
        NDArray parameter = parameters.get(name);
        NDArray gradient = gradient(parameter, scope);
        if (gradient != null) {
          p.add(parameter);
          g.add(gradient);
          m.add(firstMoments.get(name));
          v.add(secondMoments.get(name));
        }
      }
      if (p.isEmpty()) {
        return;
      }
      double[] hyper = {
        learningRate,
        arguments.adamBeta1(),
        arguments.adamBeta2(),
        arguments.adamEpsilon(),
        group.weightDecay(),
        1 - Math.pow(arguments.adamBeta1(), steps),
        Math.sqrt(1 - Math.pow(arguments.adamBeta2(), steps)),
        gradientScale
      };
      Ops.adamw(p, g, m, v, scope.create(hyper));
    }
  }

  void clearGradients() {
    parameters.values().forEach(Autograd::clearGradient);
  }

  /** {@return what the state takes} */
  long stateBytes() {
    return 2L * Float.BYTES * parameters.values().stream().mapToLong(NDArray::size).sum();
  }

  int steps() {
    return steps;
  }

  /** {@return the state by name, to write to a file and to read back into} */
  Map<String, NDArray> state() {
    Map<String, NDArray> state = new LinkedHashMap<>();
    firstMoments.forEach((name, moment) -> state.put(name + ".exp_avg", moment));
    secondMoments.forEach((name, moment) -> state.put(name + ".exp_avg_sq", moment));
    return state;
  }

  /** Goes on after {@code stepsDone} updates, the {@link #state} having been read. */
  void resume(int stepsDone) {
    steps = stepsDone;
  }

  @Override
  public void close() {
    manager.close();
  }
}
