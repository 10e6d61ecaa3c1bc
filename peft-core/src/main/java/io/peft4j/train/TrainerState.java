package io.peft4j.train;

import com.fasterxml.jackson.annotation.JsonProperty;

/**
 * Where a run stands, as {@code trainer_state.json} holds it.
 *
 * @param step optimizer steps done
 * @param updates optimizer updates made; fewer than steps where some were skipped
 * @param epochLoss sum of the losses of this epoch's steps so far
 * @param bestStep step of the best evaluation so far; 0 for none
 * @param bestMetric its metric; meaningless where there is none
 * @param evaluationsSinceBest evaluations since then
 * @param plan what determines the order of the data and the dropout masks; a run goes on only under
 *     the same
 */
record TrainerState(
    @JsonProperty("global_step") int step,
    @JsonProperty("updates") int updates,
    @JsonProperty("epoch_loss") double epochLoss,
    @JsonProperty("best_step") int bestStep,
    @JsonProperty("best_metric") double bestMetric,
    @JsonProperty("evaluations_since_best") int evaluationsSinceBest,
    @JsonProperty("plan") String plan) {

  static TrainerState start(String plan) {
    return new TrainerState(0, 0, 0, 0, 0, 0, plan);
  }

  TrainerState stepped(boolean updated, double loss, boolean epochEnds) {
    return new TrainerState(
        step + 1,
        updates + (updated ? 1 : 0),
        epochEnds ? 0 : epochLoss + loss,
        bestStep,
        bestMetric,
        evaluationsSinceBest,
        plan);
  }

  TrainerState evaluated(double metric, boolean better) {
    return better
        ? new TrainerState(step, updates, epochLoss, step, metric, 0, plan)
        : new TrainerState(
            step, updates, epochLoss, bestStep, bestMetric, evaluationsSinceBest + 1, plan);
  }
}
