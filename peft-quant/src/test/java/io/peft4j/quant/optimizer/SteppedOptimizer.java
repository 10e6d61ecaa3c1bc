package io.peft4j.quant.optimizer;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import io.peft4j.torch.Autograd;
import io.peft4j.train.TrainingArguments;
import io.peft4j.train.optimizer.Optimizer;
import java.util.Map;
import java.util.TreeMap;

/** An optimizer as a training has it, all parameters being decayed. */
final class SteppedOptimizer implements AutoCloseable {

  private final Map<String, NDArray> parameters;
  private final TrainingArguments arguments;
  private final NDManager manager;
  private final Optimizer optimizer;
  private int done;

  SteppedOptimizer(Map<String, NDArray> parameters, NDManager parent, TrainingArguments arguments) {
    this.parameters = parameters;
    this.arguments = arguments;
    manager = parent.newSubManager();
    optimizer = arguments.optimizer().create(parameters, manager, arguments);
  }

  void step(double rate, double scale) {
    done++;
    try (NDManager scope = manager.newSubManager();
        Autograd.Mode paused = Autograd.pause()) {
      Map<String, NDArray> gradients = new TreeMap<>();
      parameters.forEach(
          (name, parameter) -> {
            NDArray gradient = Autograd.gradient(parameter);
            gradient.attach(scope);
            gradients.put(name, gradient);
          });
      optimizer.step(new Optimizer.Step(done, rate, arguments.weightDecay(), scale), gradients);
    }
  }

  void clearGradients() {
    parameters.values().forEach(Autograd::clearGradient);
  }

  Map<String, NDArray> state() {
    return optimizer.state();
  }

  long stateBytes() {
    return optimizer.stateBytes();
  }

  void resume(int steps) {
    done = steps;
  }

  @Override
  public void close() {
    manager.close();
  }
}
