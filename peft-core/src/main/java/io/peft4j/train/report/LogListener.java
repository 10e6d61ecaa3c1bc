package io.peft4j.train.report;

import java.nio.file.Path;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Tells a run in log lines, for output that is not a terminal. */
public final class LogListener implements TrainingListener {

  private static final Logger LOG = LoggerFactory.getLogger(LogListener.class);

  private final int everySteps;
  private double lossSum;
  private int lossCount;

  /**
   * @param everySteps a line comes after each so many optimizer steps, and after the first and the
   *     last; its loss is the mean since the line before
   * @throws IllegalArgumentException if {@code everySteps} is less than 1
   */
  public LogListener(int everySteps) {
    if (everySteps < 1) {
      throw new IllegalArgumentException("everySteps is " + everySteps + ", expected 1 or more");
    }
    this.everySteps = everySteps;
  }

  @Override
  public void onResume(Path folder, int step, double epoch) {
    LOG.info("Going on from {}: step {}, epoch {}", folder, step, Display.epoch(epoch));
  }

  @Override
  public void onStart(RunInfo run) {
    LOG.info(
        "{} {} steps over {} examples, {} of {} parameters trained ({} %)",
        run.startStep() == 0
            ? "Training for"
            : "Going on after step " + run.startStep() + ", training for",
        run.totalSteps(),
        Display.count(run.examples()),
        Display.count(run.trainableParameters()),
        Display.count(run.totalParameters()),
        Display.percent(run.trainableShare()));
  }

  @Override
  public void onStep(StepReport step) {
    lossSum += step.loss();
    lossCount++;
    if (step.step() % everySteps != 0 && step.step() != 1 && step.step() != step.totalSteps()) {
      return;
    }
    LOG.info(
        "step {}/{} | epoch {} | loss {} | lr {} | {} examples/s | {} tokens/s | {} | {} left",
        step.step(),
        step.totalSteps(),
        Display.epoch(step.epoch()),
        Display.metric(lossSum / lossCount),
        Display.learningRate(step.learningRate()),
        Display.rate(step.examplesPerSecond()),
        Display.rate(step.tokensPerSecond()),
        Display.memory(step.memory()),
        Display.duration(step.secondsLeft()));
    lossSum = 0;
    lossCount = 0;
  }

  @Override
  public void onEpoch(EpochReport epoch) {
    LOG.info(
        "epoch {} done in {} | mean loss {}",
        epoch.epoch(),
        Display.duration(epoch.seconds()),
        Display.metric(epoch.loss()));
  }

  @Override
  public void onEvaluate(EvalReport evaluation) {
    LOG.info(
        "evaluation after step {} | {}", evaluation.step(), Display.metrics(evaluation.metrics()));
  }

  @Override
  public void onCheckpoint(Path folder, int step) {
    LOG.info("checkpoint of step {} saved in {}", step, folder);
  }

  @Override
  public void onEnd(RunSummary summary) {
    LOG.info(
        "{} after {} steps in {} | mean loss {} | {} examples/s | peak memory {}",
        summary.stoppedEarly() ? "Stopped early" : "Done",
        summary.step(),
        Display.duration(summary.seconds()),
        Display.metric(summary.loss()),
        Display.rate(summary.examplesPerSecond()),
        Display.peakMemory(summary.memory()));
    summary.bestStep().ifPresent(best -> LOG.info("best evaluation after step {}", best));
  }
}
