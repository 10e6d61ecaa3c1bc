package io.peft4j.cli;

import io.peft4j.train.Schedule;
import io.peft4j.train.TrainingArguments;
import io.peft4j.train.TrainingArguments.GradientCheckpointing;
import io.peft4j.train.TrainingArguments.NonFinite;
import io.peft4j.train.TrainingArguments.When;
import java.util.Map;
import picocli.CommandLine.Option;

/** How to train; the names are those of transformers' {@code TrainingArguments}. */
@Heading("Training")
final class TrainingOptions {

  @AppliesTo(unless = "--max-steps")
  @Option(
      names = {"--num-train-epochs", "--num_train_epochs"},
      defaultValue = "3",
      description = "Passes over the data. Default: ${DEFAULT-VALUE}.")
  private double numTrainEpochs;

  @Option(
      names = {"--max-steps", "--max_steps"},
      defaultValue = "-1",
      description = "Optimizer steps, instead of epochs.")
  private int maxSteps;

  @Option(
      names = {"--per-device-train-batch-size", "--per_device_train_batch_size", "--batch-size"},
      defaultValue = "8",
      description = "Examples in a pass. Default: ${DEFAULT-VALUE}.")
  private int trainBatchSize;

  @AppliesTo(needs = {"--eval-data", "--eval-split"})
  @Option(
      names = {"--per-device-eval-batch-size", "--per_device_eval_batch_size"},
      defaultValue = "32",
      description = "Examples in an evaluation pass. Default: ${DEFAULT-VALUE}.")
  private int evalBatchSize;

  @Option(
      names = {"--gradient-accumulation-steps", "--gradient_accumulation_steps"},
      defaultValue = "1",
      description = "Passes for one optimizer step. Default: ${DEFAULT-VALUE}.")
  private int gradientAccumulationSteps;

  @Option(
      names = {"--learning-rate", "--learning_rate"},
      defaultValue = "5e-4",
      description = "Peak rate. Default: ${DEFAULT-VALUE}.")
  private double learningRate;

  @Option(
      names = "--optim",
      defaultValue = TrainingArguments.ADAMW,
      description =
          "adamw_torch; adamw_8bit: 8-bit state; paged_adamw_32bit, paged_adamw_8bit: state away"
              + " from the device. Default: ${DEFAULT-VALUE}.")
  private String optim;

  @AppliesTo(unless = "--optim=adamw-torch|adamw-8bit|paged-adamw-32bit|paged-adamw-8bit")
  @Option(
      names = {"--optim-args", "--optim_args"},
      split = ",",
      paramLabel = "KEY=VALUE",
      description =
          "What an optimizer from elsewhere has beside the options here, such as momentum=0.9;"
              + " AdamW has nothing.")
  private Map<String, String> optimArgs = Map.of();

  @Option(
      names = {"--weight-decay", "--weight_decay"},
      defaultValue = "0",
      description = "Decoupled decay, not of biases and norms. Default: ${DEFAULT-VALUE}.")
  private double weightDecay;

  @AppliesTo(needs = "--method=lora|qlora|adalora|gated-lora|unipelt")
  @Option(
      names = {"--loraplus-lr-ratio", "--loraplus_lr_ratio"},
      defaultValue = "0",
      description = "LoRA+: how many times A's rate B's is, e.g. 16; 0 for one rate.")
  private double loraplusLrRatio;

  @AppliesTo(needs = "--loraplus-lr-ratio")
  @Option(
      names = {"--loraplus-lr-embedding", "--loraplus_lr_embedding"},
      defaultValue = "1e-6",
      description = "With LoRA+, the rate of adapted embeddings. Default: ${DEFAULT-VALUE}.")
  private double loraplusLrEmbedding;

  @Option(
      names = {"--adam-beta1", "--adam_beta1"},
      defaultValue = "0.9",
      description = "Decay of the mean of gradients. Default: ${DEFAULT-VALUE}.")
  private double adamBeta1;

  @Option(
      names = {"--adam-beta2", "--adam_beta2"},
      defaultValue = "0.999",
      description = "Decay of the mean of their squares. Default: ${DEFAULT-VALUE}.")
  private double adamBeta2;

  @Option(
      names = {"--adam-epsilon", "--adam_epsilon"},
      defaultValue = "1e-8",
      description = "Added to the root of that mean. Default: ${DEFAULT-VALUE}.")
  private double adamEpsilon;

  @Option(
      names = {"--max-grad-norm", "--max_grad_norm"},
      defaultValue = "1",
      description = "Gradients are shortened to this; 0 for never. Default: ${DEFAULT-VALUE}.")
  private double maxGradNorm;

  @Option(
      names = {"--lr-scheduler-type", "--lr_scheduler_type"},
      converter = ScheduleName.class,
      completionCandidates = ScheduleName.Candidates.class,
      defaultValue = "LINEAR",
      description = "linear, cosine, constant or constant_with_warmup. Default: linear.")
  private Schedule schedule;

  @AppliesTo(unless = {"--warmup-steps", "--lr-scheduler-type=constant"})
  @Option(
      names = {"--warmup-ratio", "--warmup_ratio"},
      defaultValue = "0",
      description = "Share of the steps to warm up for. Default: ${DEFAULT-VALUE}.")
  private double warmupRatio;

  @AppliesTo(unless = "--lr-scheduler-type=constant")
  @Option(
      names = {"--warmup-steps", "--warmup_steps"},
      defaultValue = "0",
      description = "Steps to warm up for, instead of --warmup-ratio.")
  private int warmupSteps;

  @Option(
      names = "--seed",
      defaultValue = "42",
      description = "Of initialization, order and dropout. Default: ${DEFAULT-VALUE}.")
  private long seed;

  @Option(
      names = {"--group-by-length", "--group_by_length"},
      description = "Put examples of like length into one batch.")
  private boolean groupByLength;

  @Option(
      names = "--workers",
      defaultValue = "0",
      description =
          "Threads that run parts of a batch at the same time, 1 or 2. Default: 2 where that is"
              + " known to be faster.")
  private int workers;

  @Option(
      names = {"--gradient-checkpointing", "--gradient_checkpointing"},
      arity = "0..1",
      defaultValue = "OFF",
      fallbackValue = "ON",
      description =
          "Save memory by running layers again in the backward pass: off, on, or auto, as few as"
              + " the memory budget allows. Default: off; on without a value.")
  private GradientCheckpointing gradientCheckpointing;

  @AppliesTo(needs = "--gradient-checkpointing=auto")
  @Option(
      names = {"--memory-budget", "--memory_budget"},
      converter = ByteSize.class,
      defaultValue = "0",
      paramLabel = "SIZE",
      description =
          "For --gradient-checkpointing auto, such as 4GB or 900MB. Default: four fifths of the"
              + " machine's memory.")
  private long memoryBudget;

  @AppliesTo(needs = {"--eval-data", "--eval-split"})
  @Option(
      names = {"--eval-strategy", "--eval_strategy"},
      description = "no, steps or epoch. Default: epoch where there is something to evaluate on.")
  private When evalStrategy;

  @AppliesTo(needs = "--eval-strategy=steps")
  @Option(
      names = {"--eval-steps", "--eval_steps"},
      defaultValue = "500",
      description =
          "With --eval-strategy steps, steps between evaluations. Default: ${DEFAULT-VALUE}.")
  private int evalSteps;

  @Option(
      names = {"--save-strategy", "--save_strategy"},
      defaultValue = "NO",
      description = "When to write checkpoints: no, steps or epoch. Default: no.")
  private When saveStrategy;

  @AppliesTo(needs = "--save-strategy=steps")
  @Option(
      names = {"--save-steps", "--save_steps"},
      defaultValue = "500",
      description =
          "With --save-strategy steps, steps between checkpoints. Default: ${DEFAULT-VALUE}.")
  private int saveSteps;

  @AppliesTo(needs = {"--save-strategy=steps|epoch", "--load-best-model-at-end"})
  @Option(
      names = {"--save-total-limit", "--save_total_limit"},
      defaultValue = "0",
      description = "Checkpoints to keep; 0 for all. Default: ${DEFAULT-VALUE}.")
  private int saveTotalLimit;

  @AppliesTo(
      needs = {"--eval-data", "--eval-split"},
      unless = "--eval-strategy=no")
  @Option(
      names = {"--load-best-model-at-end", "--load_best_model_at_end"},
      description = "Save the adapter of the best evaluation.")
  private boolean loadBestModelAtEnd;

  @AppliesTo(needs = {"--load-best-model-at-end", "--early-stopping-patience"})
  @Option(
      names = {"--metric-for-best-model", "--metric_for_best_model"},
      defaultValue = "loss",
      description = "The metric that says which evaluation is best. Default: ${DEFAULT-VALUE}.")
  private String metricForBestModel;

  @AppliesTo(
      needs = {"--eval-data", "--eval-split"},
      unless = "--eval-strategy=no")
  @Option(
      names = {"--early-stopping-patience", "--early_stopping_patience"},
      defaultValue = "0",
      description = "Evaluations without improvement after which to stop; 0 for never.")
  private int earlyStoppingPatience;

  @Option(
      names = {"--non-finite", "--non_finite"},
      defaultValue = "STOP",
      description = "What to do about a loss that is no number: stop or skip. Default: stop.")
  private NonFinite nonFinite;

  @Option(
      names = {"--resume", "--resume-from-checkpoint", "--resume_from_checkpoint"},
      description = "Go on from the last checkpoint in the output folder.")
  private boolean resume;

  boolean resume() {
    return resume;
  }

  long seed() {
    return seed;
  }

  int evalBatchSize() {
    return evalBatchSize;
  }

  /**
   * @param heldOut whether there is something to evaluate on
   */
  TrainingArguments arguments(boolean heldOut) {
    return TrainingArguments.builder()
        .numTrainEpochs(numTrainEpochs)
        .maxSteps(maxSteps)
        .perDeviceTrainBatchSize(trainBatchSize)
        .perDeviceEvalBatchSize(evalBatchSize)
        .gradientAccumulationSteps(gradientAccumulationSteps)
        .optim(optim)
        .optimArgs(optimArgs)
        .learningRate(learningRate)
        .weightDecay(weightDecay)
        .loraplusLrRatio(loraplusLrRatio)
        .loraplusLrEmbedding(loraplusLrEmbedding)
        .adamBeta1(adamBeta1)
        .adamBeta2(adamBeta2)
        .adamEpsilon(adamEpsilon)
        .maxGradNorm(maxGradNorm)
        .lrSchedulerType(schedule)
        .warmupRatio(warmupRatio)
        .warmupSteps(warmupSteps)
        .seed(seed)
        .groupByLength(groupByLength)
        .workers(workers)
        .gradientCheckpointing(gradientCheckpointing)
        .memoryBudget(memoryBudget)
        .evalStrategy(evalStrategy != null ? evalStrategy : heldOut ? When.EPOCH : When.NO)
        .evalSteps(evalSteps)
        .saveStrategy(saveStrategy)
        .saveSteps(saveSteps)
        .saveTotalLimit(saveTotalLimit)
        .loadBestModelAtEnd(loadBestModelAtEnd)
        .metricForBestModel(metricForBestModel)
        .earlyStoppingPatience(earlyStoppingPatience)
        .nonFinite(nonFinite)
        .build();
  }
}
