package io.peft4j.train;

import io.peft4j.train.optimizer.Optimizer;
import io.peft4j.train.optimizer.OptimizerArguments;
import java.util.Collections;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/**
 * How to train; names and defaults are those of transformers' {@code TrainingArguments} where it
 * has them.
 */
public final class TrainingArguments implements OptimizerArguments {

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

  private final ArgumentValues values;

  private TrainingArguments(ArgumentValues values) {
    this.values = values;
    values.check();
    values.optimizer.plan(this); // refuses its arguments' faults
  }

  /** {@return passes over the data, if {@code maxSteps} is not positive} */
  public double numTrainEpochs() {
    return values.numTrainEpochs;
  }

  /** {@return optimizer steps; 0 or less for as many as the epochs take} */
  public int maxSteps() {
    return values.maxSteps;
  }

  /** {@return examples in one forward and backward pass} */
  public int perDeviceTrainBatchSize() {
    return values.perDeviceTrainBatchSize;
  }

  /** {@return examples in one evaluation pass} */
  public int perDeviceEvalBatchSize() {
    return values.perDeviceEvalBatchSize;
  }

  /** {@return passes summed up for one optimizer step} */
  public int gradientAccumulationSteps() {
    return values.gradientAccumulationSteps;
  }

  /**
   * {@return the optimizer's name: {@code adamw_torch}, or the form in which an optimizer on the
   * class path keeps its state: {@code adamw_8bit} with peft-quant; {@code paged_adamw_32bit},
   * {@code paged_adamw_8bit}: the same, large tensors' state being kept away from the device (on a
   * GPU: in host memory; on the CPU: in a temporary file)}
   */
  @Override
  public String optim() {
    return values.optim;
  }

  /** {@return arguments that this optimizer alone has, by name} */
  @Override
  public Map<String, String> optimArgs() {
    return values.optimArgs;
  }

  /** {@return what makes the optimizer} */
  public Optimizer.Provider optimizer() {
    return values.optimizer;
  }

  /** {@return peak rate} */
  public double learningRate() {
    return values.learningRate;
  }

  /** {@return decoupled decay of all but biases and norms} */
  public double weightDecay() {
    return values.weightDecay;
  }

  /**
   * {@return how many times the rate of A the rate of B is (LoRA+, Hayou et al., 2024); 0 for one
   * rate and transformers' groups}
   */
  public double loraplusLrRatio() {
    return values.loraplusLrRatio;
  }

  /** {@return with LoRA+, the rate of adapted embeddings} */
  public double loraplusLrEmbedding() {
    return values.loraplusLrEmbedding;
  }

  /** {@return decay of the first moment} */
  @Override
  public double adamBeta1() {
    return values.adamBeta1;
  }

  /** {@return decay of the second moment} */
  @Override
  public double adamBeta2() {
    return values.adamBeta2;
  }

  /** {@return added to the root of the second moment} */
  @Override
  public double adamEpsilon() {
    return values.adamEpsilon;
  }

  /** {@return gradients longer than this are shortened to it; 0 or less for never} */
  public double maxGradNorm() {
    return values.maxGradNorm;
  }

  /** {@return after warm-up} */
  public Schedule lrSchedulerType() {
    return values.lrSchedulerType;
  }

  /** {@return share of the steps to warm up for, if {@code warmupSteps} is 0} */
  public double warmupRatio() {
    return values.warmupRatio;
  }

  /** {@return steps to warm up for} */
  public int warmupSteps() {
    return values.warmupSteps;
  }

  /** {@return of data order and dropout} */
  public long seed() {
    return values.seed;
  }

  /** {@return whether batches hold examples of like length} */
  public boolean groupByLength() {
    return values.groupByLength;
  }

  /**
   * {@return how many threads run parts of a batch at the same time: 1, 2, or 0 to leave the choice
   * to the trainer, which takes 2 only where runs are then the same to the last bit}
   */
  public int workers() {
    return values.workers;
  }

  /** {@return whether layers are run again in the backward pass to save memory} */
  public GradientCheckpointing gradientCheckpointing() {
    return values.gradientCheckpointing;
  }

  /**
   * {@return bytes that the process is to stay within, for {@link GradientCheckpointing#AUTO}; 0
   * for four fifths of the machine's}
   */
  public long memoryBudget() {
    return values.memoryBudget;
  }

  /** {@return when to evaluate} */
  public When evalStrategy() {
    return values.evalStrategy;
  }

  /** {@return steps between evaluations, for {@link When#STEPS}} */
  public int evalSteps() {
    return values.evalSteps;
  }

  /** {@return when to write a checkpoint} */
  public When saveStrategy() {
    return values.saveStrategy;
  }

  /** {@return steps between checkpoints, for {@link When#STEPS}} */
  public int saveSteps() {
    return values.saveSteps;
  }

  /** {@return checkpoints to keep beside the best; 0 or less for all} */
  public int saveTotalLimit() {
    return values.saveTotalLimit;
  }

  /** {@return whether the best checkpoint's weights are the result} */
  public boolean loadBestModelAtEnd() {
    return values.loadBestModelAtEnd;
  }

  /**
   * {@return which metric says what is best: {@code loss}, {@code accuracy}, …; an {@code eval_} in
   * front is dropped}
   */
  public String metricForBestModel() {
    return values.metricForBestModel;
  }

  /** {@return evaluations without improvement after which to stop; 0 for never} */
  public int earlyStoppingPatience() {
    return values.earlyStoppingPatience;
  }

  /** {@return what to do about a loss or gradient that is not finite} */
  public NonFinite nonFinite() {
    return values.nonFinite;
  }

  /** {@return what is minimized, if it is not what the model's head has for the data} */
  public Optional<LossFunction> computeLossFunc() {
    return Optional.ofNullable(values.computeLossFunc);
  }

  /** {@return a builder with transformers' defaults} */
  public static Builder builder() {
    return new Builder();
  }

  /** {@return warm-up steps of a run of {@code totalSteps}} */
  int warmupStepsOf(int totalSteps) {
    return values.warmupSteps > 0
        ? values.warmupSteps
        : (int) Math.ceil(totalSteps * values.warmupRatio);
  }

  /** {@return whether more of {@link #metricForBestModel} is better} */
  boolean greaterIsBetter() {
    return !values.metricForBestModel.endsWith("loss")
        && !values.metricForBestModel.equals("perplexity")
        && !values.metricForBestModel.equals("mse");
  }

  @Override
  public String toString() {
    return values.toString();
  }

  /** Builds {@link TrainingArguments}; each method sets what has its name. */
  public static final class Builder {
    private final ArgumentValues values = new ArgumentValues();

    private Builder() {}

    public Builder numTrainEpochs(double value) {
      values.numTrainEpochs = value;
      return this;
    }

    public Builder maxSteps(int value) {
      values.maxSteps = value;
      return this;
    }

    public Builder perDeviceTrainBatchSize(int value) {
      values.perDeviceTrainBatchSize = value;
      return this;
    }

    public Builder perDeviceEvalBatchSize(int value) {
      values.perDeviceEvalBatchSize = value;
      return this;
    }

    public Builder gradientAccumulationSteps(int value) {
      values.gradientAccumulationSteps = value;
      return this;
    }

    public Builder optim(String value) {
      values.optim = value;
      values.optimizer = null;
      return this;
    }

    /** An optimizer that need not be registered; {@code optim} is then the first of its names. */
    public Builder optim(Optimizer.Provider value) {
      values.optim = value.names().get(0);
      values.optimizer = value;
      return this;
    }

    public Builder optimArgs(Map<String, String> value) {
      values.optimArgs = Collections.unmodifiableMap(new TreeMap<>(value));
      return this;
    }

    public Builder learningRate(double value) {
      values.learningRate = value;
      return this;
    }

    public Builder weightDecay(double value) {
      values.weightDecay = value;
      return this;
    }

    public Builder loraplusLrRatio(double value) {
      values.loraplusLrRatio = value;
      return this;
    }

    public Builder loraplusLrEmbedding(double value) {
      values.loraplusLrEmbedding = value;
      return this;
    }

    public Builder adamBeta1(double value) {
      values.adamBeta1 = value;
      return this;
    }

    public Builder adamBeta2(double value) {
      values.adamBeta2 = value;
      return this;
    }

    public Builder adamEpsilon(double value) {
      values.adamEpsilon = value;
      return this;
    }

    public Builder maxGradNorm(double value) {
      values.maxGradNorm = value;
      return this;
    }

    public Builder lrSchedulerType(Schedule value) {
      values.lrSchedulerType = value;
      return this;
    }

    public Builder warmupRatio(double value) {
      values.warmupRatio = value;
      return this;
    }

    public Builder warmupSteps(int value) {
      values.warmupSteps = value;
      return this;
    }

    public Builder seed(long value) {
      values.seed = value;
      return this;
    }

    public Builder groupByLength(boolean value) {
      values.groupByLength = value;
      return this;
    }

    public Builder workers(int value) {
      values.workers = value;
      return this;
    }

    public Builder gradientCheckpointing(GradientCheckpointing value) {
      values.gradientCheckpointing = value;
      return this;
    }

    public Builder memoryBudget(long value) {
      values.memoryBudget = value;
      return this;
    }

    public Builder evalStrategy(When value) {
      values.evalStrategy = value;
      return this;
    }

    public Builder evalSteps(int value) {
      values.evalSteps = value;
      return this;
    }

    public Builder saveStrategy(When value) {
      values.saveStrategy = value;
      return this;
    }

    public Builder saveSteps(int value) {
      values.saveSteps = value;
      return this;
    }

    public Builder saveTotalLimit(int value) {
      values.saveTotalLimit = value;
      return this;
    }

    public Builder loadBestModelAtEnd(boolean value) {
      values.loadBestModelAtEnd = value;
      return this;
    }

    public Builder metricForBestModel(String value) {
      values.metricForBestModel = value;
      return this;
    }

    public Builder earlyStoppingPatience(int value) {
      values.earlyStoppingPatience = value;
      return this;
    }

    public Builder nonFinite(NonFinite value) {
      values.nonFinite = value;
      return this;
    }

    public Builder computeLossFunc(LossFunction value) {
      values.computeLossFunc = value;
      return this;
    }

    /**
     * @throws IllegalArgumentException naming the argument that is out of range
     */
    public TrainingArguments build() {
      return new TrainingArguments(values.copy());
    }
  }
}
