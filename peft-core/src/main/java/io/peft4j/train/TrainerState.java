package io.peft4j.train;

import com.fasterxml.jackson.annotation.JsonProperty;
import java.util.Map;

/**
 * Where a run stands, as {@code trainer_state.json} holds it.
 *
 * @param step optimizer steps done
 * @param updates optimizer updates made; fewer than steps where some were skipped
 * @param epochLoss sum of the losses of this epoch's updates so far
 * @param epochUpdates how many those are
 * @param bestStep step of the best evaluation so far; 0 for none
 * @param bestMetric its metric; meaningless where there is none
 * @param evaluationsSinceBest evaluations since then
 * @param plan the {@link RunPlan}
 */
record TrainerState(
    @JsonProperty("global_step") int step,
    @JsonProperty("updates") int updates,
    @JsonProperty("epoch_loss") double epochLoss,
    @JsonProperty("epoch_updates") int epochUpdates,
    @JsonProperty("best_step") int bestStep,
    @JsonProperty("best_metric") double bestMetric,
    @JsonProperty("evaluations_since_best") int evaluationsSinceBest,
    @JsonProperty("plan") Map<String, String> plan) {

  static TrainerState start(Map<String, String> plan) {
    return new TrainerState(0, 0, 0, 0, 0, 0, 0, plan);
  }

  /** After a step with an update. */
  TrainerState updated(double loss) {
    return stepped(1, loss);
  }

  /** After a step that changed nothing. */
  TrainerState skipped() {
    return stepped(0, 0);
  }

  private TrainerState stepped(int update, double loss) {
    return new TrainerState(
        step + 1,
        updates + update,
        epochLoss + loss,
        epochUpdates + update,
        bestStep,
        bestMetric,
        evaluationsSinceBest,
        plan);
  }

  /** {@return the mean loss of this epoch's updates; NaN if there were none} */
  double meanEpochLoss() {
    return epochLoss / epochUpdates;
  }

  TrainerState epochBegun() {
    return new TrainerState(step, updates, 0, 0, bestStep, bestMetric, evaluationsSinceBest, plan);
  }

  TrainerState evaluated(double metric, boolean better) {
    return new TrainerState(
        step,
        updates,
        epochLoss,
        epochUpdates,
        better ? step : bestStep,
        better ? metric : bestMetric,
        better ? 0 : evaluationsSinceBest + 1,
        plan);
  }
}
