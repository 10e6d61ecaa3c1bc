package io.peft4j.train.report;

/**
 * One pass over the training examples.
 *
 * @param epoch epochs done, this one included: 1 after the first
 * @param step optimizer steps done
 * @param loss mean training loss of the epoch
 * @param seconds how long the epoch took, evaluations included
 */
public record EpochReport(int epoch, int step, double loss, double seconds) {}
