package io.peft4j.train.report;

/**
 * What is known when a run starts.
 *
 * @param startStep optimizer steps already done: 0 for a new run, the checkpoint's for a resumed
 *     one
 * @param totalSteps optimizer steps of the whole run, those already done included
 * @param epochs passes over the training examples; a fraction where the steps end within one
 * @param examples training examples in one epoch
 * @param trainableParameters parameters that the run changes
 * @param totalParameters all parameters of the model with its adapter
 */
public record RunInfo(
    int startStep,
    int totalSteps,
    double epochs,
    long examples,
    long trainableParameters,
    long totalParameters) {

  /**
   * @throws IllegalArgumentException if the start step lies outside the run, or a count is negative
   */
  public RunInfo {
    if (startStep < 0 || startStep > totalSteps) {
      throw new IllegalArgumentException(
          "startStep is " + startStep + ", expected 0 to totalSteps, " + totalSteps);
    }
    if (examples < 0 || trainableParameters < 0 || trainableParameters > totalParameters) {
      throw new IllegalArgumentException(
          "expected counts of at least 0 and no more trainable than total parameters, found "
              + examples
              + " examples and "
              + trainableParameters
              + " of "
              + totalParameters
              + " parameters");
    }
  }

  /** The share of the parameters that the run changes, 0 to 1. */
  public double trainableShare() {
    return totalParameters == 0 ? 0 : (double) trainableParameters / totalParameters;
  }
}
