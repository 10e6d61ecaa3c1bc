package io.peft4j.examples;

import io.peft4j.train.report.EpochReport;
import io.peft4j.train.report.EvalReport;
import io.peft4j.train.report.TrainingListener;
import java.util.ArrayList;
import java.util.List;

/** Remembers what each epoch came to. */
final class EpochLog implements TrainingListener {

  /**
   * @param epoch number from 1
   * @param trainingLoss mean over the epoch's steps
   * @param validationLoss after the epoch
   * @param accuracy on the held-out examples, after the epoch
   */
  record Epoch(int epoch, double trainingLoss, double validationLoss, double accuracy) {}

  private final List<Epoch> epochs = new ArrayList<>();
  private EpochReport current;

  @Override
  public void onEpoch(EpochReport epoch) {
    current = epoch;
  }

  /** Comes after {@link #onEpoch} of the same step. */
  @Override
  public void onEvaluate(EvalReport evaluation) {
    epochs.add(
        new Epoch(
            current.epoch(),
            current.loss(),
            evaluation.metrics().get("loss"),
            evaluation.metrics().get("accuracy")));
  }

  List<Epoch> epochs() {
    return List.copyOf(epochs);
  }
}
