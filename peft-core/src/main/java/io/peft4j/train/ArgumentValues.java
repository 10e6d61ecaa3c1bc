package io.peft4j.train;

import io.peft4j.io.Spelling;
import io.peft4j.train.TrainingArguments.GradientCheckpointing;
import io.peft4j.train.TrainingArguments.NonFinite;
import io.peft4j.train.TrainingArguments.When;
import io.peft4j.train.optimizer.Optimizer;
import io.peft4j.train.optimizer.Optimizers;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;

/** The values of {@link TrainingArguments}: their defaults, and what they may be. */
final class ArgumentValues implements Cloneable {

  double numTrainEpochs = 3;
  int maxSteps = -1;
  int perDeviceTrainBatchSize = 8;
  int perDeviceEvalBatchSize = 8;
  int gradientAccumulationSteps = 1;
  String optim = TrainingArguments.ADAMW;

  /** What makes the optimizer; null until it is looked up by name. */
  Optimizer.Provider optimizer;

  Map<String, String> optimArgs = Map.of();
  double learningRate = 5e-5;
  double weightDecay;
  double loraplusLrRatio;
  double loraplusLrEmbedding = 1e-6;
  double adamBeta1 = 0.9;
  double adamBeta2 = 0.999;
  double adamEpsilon = 1e-8;
  double maxGradNorm = 1;
  Schedule lrSchedulerType = Schedule.LINEAR;
  double warmupRatio;
  int warmupSteps;
  long seed = 42;
  boolean groupByLength;
  int workers;
  GradientCheckpointing gradientCheckpointing = GradientCheckpointing.OFF;
  long memoryBudget;
  When evalStrategy = When.NO;
  int evalSteps = 500;
  When saveStrategy = When.NO;
  int saveSteps = 500;
  int saveTotalLimit;
  boolean loadBestModelAtEnd;
  String metricForBestModel = "loss";
  int earlyStoppingPatience;
  NonFinite nonFinite = NonFinite.STOP;

  /** Null for what the head has. */
  LossFunction computeLossFunc;

  ArgumentValues copy() {
    try {
      return (ArgumentValues) clone();
    } catch (CloneNotSupportedException e) {
      throw new AssertionError(e);
    }
  }

  /**
   * Settles what may be said in more than one way.
   *
   * @throws IllegalArgumentException naming the argument that is out of range
   */
  void check() {
    metricForBestModel = metricForBestModel.replaceFirst("^eval_", "");
    if (maxSteps <= 0) {
      positive("num_train_epochs", numTrainEpochs);
    }
    positive("per_device_train_batch_size", perDeviceTrainBatchSize);
    positive("per_device_eval_batch_size", perDeviceEvalBatchSize);
    positive("gradient_accumulation_steps", gradientAccumulationSteps);
    optimizer = optimizer == null ? Optimizers.named(optim) : optimizer;
    for (String name : optimArgs.keySet()) {
      TreeSet<String> known = new TreeSet<>(optimizer.argumentNames());
      List<String> near = Spelling.meant(name, known);
      check(
          known.contains(name),
          "optim_args: expected of "
              + optim
              + " some of "
              + known
              + ", found "
              + name
              + (near.isEmpty() ? "" : "; near: " + String.join(", ", near)));
    }
    notNegative("learning_rate", learningRate);
    check(
        workers >= 0 && workers <= Workers.COUNT,
        "workers must be 0 (automatic), 1 or " + Workers.COUNT + ", found " + workers);
    check(
        workers < 2 || gradientAccumulationSteps == 1,
        "2 workers need gradient_accumulation_steps 1");
    check(
        workers < 2 || gradientCheckpointing != GradientCheckpointing.AUTO,
        "2 workers need gradient_checkpointing on or off");
    check(weightDecay >= 0, "weight_decay must not be negative, found " + weightDecay);
    notNegative("loraplus_lr_ratio", loraplusLrRatio);
    notNegative("loraplus_lr_embedding", loraplusLrEmbedding);
    check(adamBeta1 >= 0 && adamBeta1 < 1, "adam_beta1 must be in [0, 1), found " + adamBeta1);
    check(adamBeta2 >= 0 && adamBeta2 < 1, "adam_beta2 must be in [0, 1), found " + adamBeta2);
    positive("adam_epsilon", adamEpsilon);
    check(
        warmupRatio >= 0 && warmupRatio <= 1,
        "warmup_ratio must be in [0, 1], found " + warmupRatio);
    notNegative("memory_budget", memoryBudget);
    notNegative("warmup_steps", warmupSteps);
    if (evalStrategy == When.STEPS) {
      positive("eval_steps", evalSteps);
    }
    if (saveStrategy == When.STEPS) {
      positive("save_steps", saveSteps);
    }
    check(
        !loadBestModelAtEnd || evalStrategy != When.NO,
        "load_best_model_at_end needs an eval_strategy");
    check(
        earlyStoppingPatience == 0 || evalStrategy != When.NO,
        "early_stopping_patience needs an eval_strategy");
  }

  private static void positive(String name, Number value) {
    check(value.doubleValue() > 0, name + " must be positive, found " + value);
  }

  private static void notNegative(String name, Number value) {
    boolean finite = Double.isFinite(value.doubleValue());
    check(finite && value.doubleValue() >= 0, name + " must not be negative, found " + value);
  }

  private static void check(boolean condition, String message) {
    if (!condition) {
      throw new IllegalArgumentException(message);
    }
  }

  @Override
  public String toString() {
    return String.join(
        ", ",
        "numTrainEpochs=" + numTrainEpochs,
        "maxSteps=" + maxSteps,
        "perDeviceTrainBatchSize=" + perDeviceTrainBatchSize,
        "perDeviceEvalBatchSize=" + perDeviceEvalBatchSize,
        "gradientAccumulationSteps=" + gradientAccumulationSteps,
        "optim=" + optim,
        "optimArgs=" + optimArgs,
        "learningRate=" + learningRate,
        "weightDecay=" + weightDecay,
        "loraplusLrRatio=" + loraplusLrRatio,
        "loraplusLrEmbedding=" + loraplusLrEmbedding,
        "adamBeta1=" + adamBeta1,
        "adamBeta2=" + adamBeta2,
        "adamEpsilon=" + adamEpsilon,
        "maxGradNorm=" + maxGradNorm,
        "lrSchedulerType=" + lrSchedulerType,
        "warmupRatio=" + warmupRatio,
        "warmupSteps=" + warmupSteps,
        "seed=" + seed,
        "groupByLength=" + groupByLength,
        "workers=" + workers,
        "gradientCheckpointing=" + gradientCheckpointing,
        "memoryBudget=" + memoryBudget,
        "evalStrategy=" + evalStrategy,
        "evalSteps=" + evalSteps,
        "saveStrategy=" + saveStrategy,
        "saveSteps=" + saveSteps,
        "saveTotalLimit=" + saveTotalLimit,
        "loadBestModelAtEnd=" + loadBestModelAtEnd,
        "metricForBestModel=" + metricForBestModel,
        "earlyStoppingPatience=" + earlyStoppingPatience,
        "nonFinite=" + nonFinite,
        "computeLossFunc=" + (computeLossFunc == null ? "the head's" : computeLossFunc.name()));
  }
}
