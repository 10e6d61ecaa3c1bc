package io.peft4j.train;

/**
 * How to train; names and defaults are those of transformers' {@code TrainingArguments} where it
 * has them.
 *
 * @param numTrainEpochs passes over the data, if {@code maxSteps} is not positive
 * @param maxSteps optimizer steps; 0 or less for as many as the epochs take
 * @param perDeviceTrainBatchSize examples in one forward and backward pass
 * @param perDeviceEvalBatchSize examples in one evaluation pass
 * @param gradientAccumulationSteps passes summed up for one optimizer step
 * @param optim {@code adamw_torch}, or the form in which an optimizer on the class path keeps its
 *     state: {@code adamw_8bit} with peft-quant; {@code paged_adamw_32bit}, {@code
 *     paged_adamw_8bit}: the same, large tensors' state being kept away from the device (on a GPU:
 *     in host memory; on the CPU: in a temporary file)
 * @param learningRate peak rate
 * @param weightDecay decoupled decay of all but biases and norms
 * @param loraplusLrRatio how many times the rate of A the rate of B is (LoRA+, Hayou et al., 2024);
 *     0 for one rate and transformers' groups
 * @param loraplusLrEmbedding with LoRA+, the rate of adapted embeddings
 * @param adamBeta1 decay of the first moment
 * @param adamBeta2 decay of the second moment
 * @param adamEpsilon added to the root of the second moment
 * @param maxGradNorm gradients longer than this are shortened to it; 0 or less for never
 * @param lrSchedulerType after warm-up
 * @param warmupRatio share of the steps to warm up for, if {@code warmupSteps} is 0
 * @param warmupSteps steps to warm up for
 * @param seed of data order and dropout
 * @param groupByLength whether batches hold examples of like length
 * @param workers how many threads run parts of a batch at the same time: 1, 2, or 0 to leave the
 *     choice to the trainer, which takes 2 only where runs are then the same to the last bit
 * @param gradientCheckpointing whether layers are run again in the backward pass to save memory
 * @param memoryBudget bytes that the process is to stay within, for {@link
 *     GradientCheckpointing#AUTO}; 0 for four fifths of the machine's
 * @param evalStrategy when to evaluate
 * @param evalSteps steps between evaluations, for {@link When#STEPS}
 * @param saveStrategy when to write a checkpoint
 * @param saveSteps steps between checkpoints, for {@link When#STEPS}
 * @param saveTotalLimit checkpoints to keep beside the best; 0 or less for all
 * @param loadBestModelAtEnd whether the best checkpoint's weights are the result
 * @param metricForBestModel which metric says what is best: {@code loss}, {@code accuracy}, …; an
 *     {@code eval_} in front is dropped
 * @param earlyStoppingPatience evaluations without improvement after which to stop; 0 for never
 * @param nonFinite what to do about a loss or gradient that is not finite
 */
public record TrainingArguments(
    double numTrainEpochs,
    int maxSteps,
    int perDeviceTrainBatchSize,
    int perDeviceEvalBatchSize,
    int gradientAccumulationSteps,
    String optim,
    double learningRate,
    double weightDecay,
    double loraplusLrRatio,
    double loraplusLrEmbedding,
    double adamBeta1,
    double adamBeta2,
    double adamEpsilon,
    double maxGradNorm,
    Schedule lrSchedulerType,
    double warmupRatio,
    int warmupSteps,
    long seed,
    boolean groupByLength,
    int workers,
    GradientCheckpointing gradientCheckpointing,
    long memoryBudget,
    When evalStrategy,
    int evalSteps,
    When saveStrategy,
    int saveSteps,
    int saveTotalLimit,
    boolean loadBestModelAtEnd,
    String metricForBestModel,
    int earlyStoppingPatience,
    NonFinite nonFinite) {

  /** The default of {@code optim}: AdamW with float32 state. */
  public static final String ADAMW = "adamw_torch";

  /** When something happens that is not done each step. */
  public enum When {
    NO,
    STEPS,
    EPOCH
  }

  /** Which layers are run again in the backward pass, rather than keeping what it needs. */
  public enum GradientCheckpointing {
    OFF,
    ON,
    /** As few as the memory budget allows, by an estimate for each batch. */
    AUTO
  }

  /** What to do about a loss or gradient that is not finite. */
  public enum NonFinite {
    /** End the run with an exception naming the step. */
    STOP,
    /** Leave the weights as they are and go on with the next step. */
    SKIP
  }

  /**
   * @throws IllegalArgumentException naming the argument that is out of range
   */
  public TrainingArguments {
    metricForBestModel = metricForBestModel.replaceFirst("^eval_", "");
    if (maxSteps <= 0) {
      positive("num_train_epochs", numTrainEpochs);
    }
    positive("per_device_train_batch_size", perDeviceTrainBatchSize);
    positive("per_device_eval_batch_size", perDeviceEvalBatchSize);
    positive("gradient_accumulation_steps", gradientAccumulationSteps);
    AdamW.provider(optim); // refuses what there is not
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

  /** {@return a builder with transformers' defaults} */
  public static Builder builder() {
    return new Builder();
  }

  /** {@return warm-up steps of a run of {@code totalSteps}} */
  int warmupStepsOf(int totalSteps) {
    return warmupSteps > 0 ? warmupSteps : (int) Math.ceil(totalSteps * warmupRatio);
  }

  /** {@return whether more of {@link #metricForBestModel} is better} */
  boolean greaterIsBetter() {
    return !metricForBestModel.endsWith("loss")
        && !metricForBestModel.equals("perplexity")
        && !metricForBestModel.equals("mse");
  }

  /** Builds {@link TrainingArguments}; each method sets the component of its name. */
  public static final class Builder {
    private double numTrainEpochs = 3;
    private int maxSteps = -1;
    private int perDeviceTrainBatchSize = 8;
    private int perDeviceEvalBatchSize = 8;
    private int gradientAccumulationSteps = 1;
    private String optim = ADAMW;
    private double learningRate = 5e-5;
    private double weightDecay;
    private double loraplusLrRatio;
    private double loraplusLrEmbedding = 1e-6;
    private double adamBeta1 = 0.9;
    private double adamBeta2 = 0.999;
    private double adamEpsilon = 1e-8;
    private double maxGradNorm = 1;
    private Schedule lrSchedulerType = Schedule.LINEAR;
    private double warmupRatio;
    private int warmupSteps;
    private long seed = 42;
    private boolean groupByLength;
    private int workers;
    private GradientCheckpointing gradientCheckpointing = GradientCheckpointing.OFF;
    private long memoryBudget;
    private When evalStrategy = When.NO;
    private int evalSteps = 500;
    private When saveStrategy = When.NO;
    private int saveSteps = 500;
    private int saveTotalLimit;
    private boolean loadBestModelAtEnd;
    private String metricForBestModel = "loss";
    private int earlyStoppingPatience;
    private NonFinite nonFinite = NonFinite.STOP;

    private Builder() {}

    public Builder numTrainEpochs(double value) {
      numTrainEpochs = value;
      return this;
    }

    public Builder maxSteps(int value) {
      maxSteps = value;
      return this;
    }

    public Builder perDeviceTrainBatchSize(int value) {
      perDeviceTrainBatchSize = value;
      return this;
    }

    public Builder perDeviceEvalBatchSize(int value) {
      perDeviceEvalBatchSize = value;
      return this;
    }

    public Builder gradientAccumulationSteps(int value) {
      gradientAccumulationSteps = value;
      return this;
    }

    public Builder optim(String value) {
      optim = value;
      return this;
    }

    public Builder learningRate(double value) {
      learningRate = value;
      return this;
    }

    public Builder weightDecay(double value) {
      weightDecay = value;
      return this;
    }

    public Builder loraplusLrRatio(double value) {
      loraplusLrRatio = value;
      return this;
    }

    public Builder loraplusLrEmbedding(double value) {
      loraplusLrEmbedding = value;
      return this;
    }

    public Builder adamBeta1(double value) {
      adamBeta1 = value;
      return this;
    }

    public Builder adamBeta2(double value) {
      adamBeta2 = value;
      return this;
    }

    public Builder adamEpsilon(double value) {
      adamEpsilon = value;
      return this;
    }

    public Builder maxGradNorm(double value) {
      maxGradNorm = value;
      return this;
    }

    public Builder lrSchedulerType(Schedule value) {
      lrSchedulerType = value;
      return this;
    }

    public Builder warmupRatio(double value) {
      warmupRatio = value;
      return this;
    }

    public Builder warmupSteps(int value) {
      warmupSteps = value;
      return this;
    }

    public Builder seed(long value) {
      seed = value;
      return this;
    }

    public Builder groupByLength(boolean value) {
      groupByLength = value;
      return this;
    }

    public Builder workers(int value) {
      workers = value;
      return this;
    }

    public Builder gradientCheckpointing(GradientCheckpointing value) {
      gradientCheckpointing = value;
      return this;
    }

    public Builder memoryBudget(long value) {
      memoryBudget = value;
      return this;
    }

    public Builder evalStrategy(When value) {
      evalStrategy = value;
      return this;
    }

    public Builder evalSteps(int value) {
      evalSteps = value;
      return this;
    }

    public Builder saveStrategy(When value) {
      saveStrategy = value;
      return this;
    }

    public Builder saveSteps(int value) {
      saveSteps = value;
      return this;
    }

    public Builder saveTotalLimit(int value) {
      saveTotalLimit = value;
      return this;
    }

    public Builder loadBestModelAtEnd(boolean value) {
      loadBestModelAtEnd = value;
      return this;
    }

    public Builder metricForBestModel(String value) {
      metricForBestModel = value;
      return this;
    }

    public Builder earlyStoppingPatience(int value) {
      earlyStoppingPatience = value;
      return this;
    }

    public Builder nonFinite(NonFinite value) {
      nonFinite = value;
      return this;
    }

    /**
     * @throws IllegalArgumentException as {@link TrainingArguments} does
     */
    public TrainingArguments build() {
      return new TrainingArguments(
          numTrainEpochs,
          maxSteps,
          perDeviceTrainBatchSize,
          perDeviceEvalBatchSize,
          gradientAccumulationSteps,
          optim,
          learningRate,
          weightDecay,
          loraplusLrRatio,
          loraplusLrEmbedding,
          adamBeta1,
          adamBeta2,
          adamEpsilon,
          maxGradNorm,
          lrSchedulerType,
          warmupRatio,
          warmupSteps,
          seed,
          groupByLength,
          workers,
          gradientCheckpointing,
          memoryBudget,
          evalStrategy,
          evalSteps,
          saveStrategy,
          saveSteps,
          saveTotalLimit,
          loadBestModelAtEnd,
          metricForBestModel,
          earlyStoppingPatience,
          nonFinite);
    }
  }
}
