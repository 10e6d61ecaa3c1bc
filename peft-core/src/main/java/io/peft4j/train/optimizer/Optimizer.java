package io.peft4j.train.optimizer;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.util.List;
import java.util.Map;
import java.util.ServiceLoader;
import java.util.Set;
import java.util.TreeMap;

/**
 * Moves parameters by their gradients, in place. The trainer does what all optimizers have in
 * common: it collects gradients and clips them, follows the schedule, groups parameters by rate and
 * decay, and writes and reads the state with its checkpoints. An optimizer is the formula and its
 * state:
 *
 * <pre>{@code
 * public void step(Step step, Map<String, NDArray> gradients) {
 *   gradients.forEach(
 *       (name, gradient) -> {
 *         double factor = step.learningRate() * step.gradientScale();
 *         parameters.get(name).subi(gradient.mul(factor));
 *       });
 * }
 * }</pre>
 *
 * <p>A training makes one through a {@link Provider}.
 */
public interface Optimizer {

  /**
   * One update of parameters that have the same rate and decay.
   *
   * @param number which update of the run it is, from 1; the same for all groups of parameters
   * @param learningRate the schedule's, times what this group has of it
   * @param weightDecay of this group
   * @param gradientScale to multiply the gradients with, below 1 where they are clipped
   */
  record Step(int number, double learningRate, double weightDecay, double gradientScale) {}

  /**
   * Takes a step. Nothing is recorded for automatic differentiation meanwhile.
   *
   * @param gradients by the names of the parameters to update, float32, each of its parameter's
   *     shape and on its device; not to be changed or kept. They and what is computed from them
   *     (whose manager is theirs) are freed afterwards. A parameter that got none is not there, and
   *     stays as it is
   */
  void step(Step step, Map<String, NDArray> gradients);

  /**
   * {@return all that the next step depends on beside parameters, arguments and the {@link Step},
   * by name} A checkpoint holds these tensors, and resuming overwrites them with what it holds: so
   * from the start they are all there, with names and shapes that do not change. They are of
   * float32, float64, uint8, int32 or int64. A name is that of a parameter with a dot and a part,
   * such as {@code exp_avg}.
   */
  Map<String, NDArray> state();

  /**
   * {@return bytes of state that there are at a time where the steps are computed} An estimate of
   * what a step needs counts with them.
   */
  default long stateBytes() {
    return state().values().stream()
        .mapToLong(tensor -> tensor.size() * tensor.getDataType().getNumOfBytes())
        .sum();
  }

  /**
   * Makes optimizers of one kind; found through {@link ServiceLoader}, by a file {@code
   * META-INF/services/io.peft4j.train.optimizer.Optimizer$Provider} or a module's {@code provides},
   * or given to {@code TrainingArguments.Builder#optim}.
   */
  interface Provider {

    /** {@return the values of {@code optim} that mean this, such as {@code adamw_torch}} */
    List<String> names();

    /** {@return the names that {@code optim_args} may have} */
    default Set<String> argumentNames() {
      return Set.of();
    }

    /**
     * Makes one for a training.
     *
     * @param parameters what is trained, by name, float32; they stay the caller's
     * @param manager to make the state with, on the device of the parameters; it is closed when the
     *     training ends, and frees all that was made with it
     * @throws IllegalArgumentException if an argument is out of range
     */
    Optimizer create(
        Map<String, NDArray> parameters, NDManager manager, OptimizerArguments arguments);

    /**
     * {@return what determines the steps, by name} Two runs that differ in it end with other
     * weights, so neither goes on from a checkpoint of the other. Asked for as soon as there are
     * arguments, so that bad ones are refused before a model is loaded.
     *
     * @throws IllegalArgumentException if an argument is out of range
     */
    default Map<String, String> plan(OptimizerArguments arguments) {
      Map<String, String> plan = new TreeMap<>();
      plan.put("optim", arguments.optim());
      arguments.optimArgs().forEach((name, value) -> plan.put("optim_args " + name, value));
      return plan;
    }
  }
}
