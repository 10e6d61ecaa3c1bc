package io.peft4j.adapter.method;

/** What a method does in each step of a training beside having gradients. */
public interface StepHook {

  /** Says how many optimizer steps the training has. */
  void begin(int totalSteps);

  /** Adds to the gradients, and returns what the loss is higher by. */
  double beforeUpdate();

  /**
   * Called after the optimizer's update, while the gradients are still there.
   *
   * @param step from 1
   * @param gradientScale factor that the update had on the gradients
   */
  void afterUpdate(int step, double gradientScale);
}
