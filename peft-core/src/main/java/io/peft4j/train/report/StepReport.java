package io.peft4j.train.report;

/**
 * One optimizer step.
 *
 * @param step optimizer steps done, this one included: 1 after the first
 * @param totalSteps optimizer steps of the whole run
 * @param epoch passes over the training examples done, as a fraction
 * @param loss mean loss of this step's examples, before the update
 * @param learningRate the rate this step was taken with
 * @param gradientNorm L2 norm of all gradients before clipping; NaN where it was not computed
 * @param examplesPerSecond training examples a second, lately
 * @param tokensPerSecond tokens a second without padding, lately
 * @param memory the process's memory after the step
 * @param secondsElapsed seconds since the run started or was resumed
 * @param secondsLeft expected seconds of training to the end, evaluations and checkpoints not
 *     counted; NaN where nothing is known yet
 */
public record StepReport(
    int step,
    int totalSteps,
    double epoch,
    double loss,
    double learningRate,
    double gradientNorm,
    double examplesPerSecond,
    double tokensPerSecond,
    ProcessMemory memory,
    double secondsElapsed,
    double secondsLeft) {}
