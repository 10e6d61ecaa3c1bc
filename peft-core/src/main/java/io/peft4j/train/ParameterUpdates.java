package io.peft4j.train;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import io.peft4j.torch.Autograd;
import io.peft4j.torch.TrainingOps;
import io.peft4j.train.optimizer.Optimizer;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The parameters that are trained, and how they are updated: what all optimizers have in common.
 * Owns the optimizer's state.
 */
final class ParameterUpdates implements AutoCloseable {

  private final Map<String, NDArray> parameters;
  private final List<ParameterGroup> groups;
  private final NDManager manager;
  private final Optimizer optimizer;
  private int done;

  /**
   * @param parameters what to train, by name; float32 with gradients
   * @throws IllegalArgumentException if the optimizer refuses its arguments
   */
  ParameterUpdates(Map<String, NDArray> parameters, NDManager parent, TrainingArguments arguments) {
    this.parameters = parameters;
    this.groups = ParameterGroup.of(parameters, arguments);
    this.manager = parent.newSubManager();
    try {
      this.optimizer = arguments.optimizer().create(parameters, manager, arguments);
    } catch (RuntimeException e) {
      manager.close();
      throw e;
    }
  }

  /** {@return the length of all gradients together (the L2 norm)} */
  double gradientNorm() {
    try (NDManager scope = manager.newSubManager();
        Autograd.Mode paused = Autograd.pause()) {
      List<NDArray> gradients = List.copyOf(gradients(parameters.keySet(), scope).values());
      return gradients.isEmpty() ? 0 : TrainingOps.globalNorm(gradients).getDouble();
    }
  }

  private Map<String, NDArray> gradients(Iterable<String> names, NDManager scope) {
    Map<String, NDArray> gradients = new LinkedHashMap<>();
    for (String name : names) {
      NDArray gradient = Autograd.gradient(parameters.get(name));
      if (gradient != null) {
        gradient.attach(scope);
        gradients.put(name, gradient);
      }
    }
    return gradients;
  }

  /**
   * One update.
   *
   * @param gradientScale factor on the gradients, below 1 where they are clipped
   */
  void step(double learningRate, double gradientScale) {
    done++;
    try (Autograd.Mode paused = Autograd.pause()) {
      for (ParameterGroup group : groups) {
        try (NDManager scope = manager.newSubManager()) {
          double rate = learningRate * group.rateFactor();
          optimizer.step(
              new Optimizer.Step(done, rate, group.weightDecay(), gradientScale),
              gradients(group.names(), scope));
        }
      }
    }
  }

  void clearGradients() {
    parameters.values().forEach(Autograd::clearGradient);
  }

  /** {@return bytes of the optimizer's state that there are at a time} */
  long stateBytes() {
    return optimizer.stateBytes();
  }

  /** {@return how many there were} */
  int done() {
    return done;
  }

  /** {@return the optimizer's state by name, to write to a file and to read back into} */
  Map<String, NDArray> state() {
    return optimizer.state();
  }

  /** Goes on after {@code updates}, the {@link #state} having been read. */
  void resume(int updates) {
    done = updates;
  }

  @Override
  public void close() {
    manager.close();
  }
}
