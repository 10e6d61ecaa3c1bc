package io.peft4j.train.optimizer;

import java.util.Map;

/**
 * What of a training's arguments an {@link Optimizer} is made with; {@code TrainingArguments} are
 * it. Rate, decay and clipping come with each {@link Optimizer.Step}. Not to be implemented
 * elsewhere: there may be more of them in time.
 */
public interface OptimizerArguments {

  /** {@return the name the optimizer was asked for by} */
  String optim();

  /** {@return arguments of this optimizer alone, by name; transformers' {@code optim_args}} */
  Map<String, String> optimArgs();

  /** {@return Adam's decay of the first moment} */
  double adamBeta1();

  /** {@return Adam's decay of the second moment} */
  double adamBeta2();

  /** {@return what Adam adds to the root of the second moment} */
  double adamEpsilon();

  /**
   * {@return one of {@link #optimArgs} as a number, {@code otherwise} if it is not given}
   *
   * @throws IllegalArgumentException if it is no finite number
   */
  default double optimArg(String name, double otherwise) {
    String text = optimArgs().get(name);
    if (text == null) {
      return otherwise;
    }
    try {
      double value = Double.parseDouble(text.trim());
      if (Double.isFinite(value)) {
        return value;
      }
    } catch (NumberFormatException e) {
      // said below, as what is no finite number
    }
    throw new IllegalArgumentException(
        "optim_args: " + name + ": expected a finite number, found '" + text + "'");
  }
}
