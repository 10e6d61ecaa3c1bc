package io.peft4j.train;

import io.peft4j.adapter.AdaptedModel;
import io.peft4j.adapter.AdapterMix;
import io.peft4j.io.Durable;
import io.peft4j.model.Model;
import io.peft4j.model.batch.TokenBatch;
import io.peft4j.model.chain.Loss;
import io.peft4j.model.module.Module;
import io.peft4j.torch.DropoutMask;
import io.peft4j.train.TrainingArguments.NonFinite;
import io.peft4j.train.TrainingArguments.When;
import io.peft4j.train.report.EpochReport;
import io.peft4j.train.report.EvalReport;
import io.peft4j.train.report.MemoryMonitor;
import io.peft4j.train.report.RunInfo;
import io.peft4j.train.report.RunSummary;
import io.peft4j.train.report.StepReport;
import io.peft4j.train.report.TrainingListener;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.CancellationException;
import java.util.function.BooleanSupplier;
import java.util.stream.IntStream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** One run of a {@link Trainer}, from its first step or a checkpoint's to the last. */
final class TrainingRun {

  private static final Logger LOGGER = LoggerFactory.getLogger(Trainer.class);

  private final AdaptedModel model;
  private final AdapterMix trained;
  private final TrainingArguments arguments;
  private final TrainingSet data;
  private final EvaluationSet heldOut;
  private final TrainingListener listener;
  private final Checkpoints checkpoints;
  private final Path output;
  private final Map<String, String> metadata;
  private final BooleanSupplier stopping;
  private final ParameterUpdates updates;
  private final Workers workers;
  private final StepBatches steps;
  private final int totalSteps;
  private final Recomputation recomputation;
  private final MemoryMonitor memory;
  private final int warmupSteps;
  private TrainerState state;
  private Speed speed;
  private double lossSum;
  private double epochStarted;

  TrainingRun(Trainer trainer, ParameterUpdates updates, Workers workers) {
    this.model = trainer.model;
    this.trained = trainer.trained;
    this.arguments = trainer.arguments;
    this.data = trainer.data;
    this.heldOut = trainer.heldOut;
    this.listener = trainer.listener;
    this.checkpoints = trainer.checkpoints;
    this.output = trainer.output;
    this.metadata = trainer.metadata;
    this.stopping = trainer::isStopping;
    this.updates = updates;
    this.steps = new StepBatches(data, arguments);
    this.totalSteps = steps.total();
    this.memory = new MemoryMonitor(model.model().manager().getDevice());
    this.warmupSteps = arguments.warmupStepsOf(totalSteps);
    this.recomputation =
        new Recomputation(
            model.model(),
            arguments,
            updates.stateBytes() + Float.BYTES * trained.parameterCount());
    this.workers = workers;
    this.state =
        TrainerState.start(
            RunPlan.of(model.model(), trained, arguments, workers.count(), data, totalSteps));
  }

  private void sayWhatIsNew() {
    List<String> drawn = model.model().initialized();
    List<String> left = model.model().untrained();
    if (!drawn.isEmpty()) {
      LOGGER.info("newly initialized, to be trained: {}", String.join(", ", drawn));
    }
    if (!left.isEmpty()) {
      LOGGER.warn("of these the adapter does not train {}", String.join(", ", left));
    }
  }

  RunSummary train(boolean resume) throws IOException {
    sayWhatIsNew();
    trained.beginTraining(totalSteps);
    Optional<Path> last = resume ? checkpoints.latest(state.plan()) : Optional.empty();
    if (last.isPresent()) {
      state = checkpoints.read(last.get(), trained, updates.state());
      updates.resume(state.updates());
      checkBestIsThere();
    }
    int startStep = state.step();
    int startUpdates = state.updates();
    if (last.isPresent()) {
      listener.onResume(last.get(), startStep, epoch());
    }
    listener.onStart(
        new RunInfo(
            startStep,
            totalSteps,
            steps.epochs(totalSteps),
            data.size(),
            trained.parameterCount(),
            trained.addedCount() + baseParameters()));
    speed = new Speed();
    boolean stopped = exhausted();
    while (state.step() < totalSteps && !stopped) {
      step();
      speed.pause();
      stopped = evaluateAndSave();
      speed.resume();
    }
    OptionalInt best = OptionalInt.empty();
    if (arguments.loadBestModelAtEnd() && state.bestStep() > 0) {
      checkpoints.restore(state.bestStep(), trained);
      best = OptionalInt.of(state.bestStep());
    }
    save();
    RunSummary summary =
        new RunSummary(
            state.step(),
            epoch(),
            lossSum / Math.max(1, state.updates() - startUpdates),
            speed.seconds(),
            speed.examplesPerSecond(),
            speed.tokensPerSecond(),
            memory.now(),
            stopped,
            best);
    listener.onEnd(summary);
    return summary;
  }

  private void save() throws IOException {
    try {
      Durable.finish(() -> trained.export(output, metadata));
    } catch (IOException e) {
      throw new IOException(
          "cannot write the result to " + output + ": " + Checkpoints.reason(e), e);
    }
    Durable.finish(() -> trained.checkExported(output, this::outputs));
  }

  /** {@return what the model gives for the first examples, with the adapters active now} */
  private float[][] outputs() {
    int[] first = data.size() > 1 ? new int[] {0, 1} : new int[] {0};
    try (TokenBatch batch = data.batch(model.model(), first)) {
      return model.model().outputs(batch);
    }
  }

  private void checkBestIsThere() throws NoSuchFileException {
    Path best = checkpoints.folder(state.bestStep());
    if (arguments.loadBestModelAtEnd() && state.bestStep() > 0 && !Files.isDirectory(best)) {
      throw new NoSuchFileException(
          best.toString(), null, "cannot resume: the best model so far should be there");
    }
  }

  private long baseParameters() {
    return model.model().modules().leaves().stream().mapToLong(Module::size).sum();
  }

  private double epoch() {
    return steps.epochs(state.step());
  }

  private void step() throws IOException {
    int step = state.step();
    List<int[]> batches = steps.of(step);
    int weight = batches.stream().flatMapToInt(IntStream::of).map(data::weight).sum();
    double loss = 0;
    for (int i = 0; i < batches.size(); i++) {
      loss += forwardBackward(batches.get(i), weight, dropoutKey(step, i));
    }
    loss += trained.beforeUpdate();
    double norm = updates.gradientNorm();
    boolean finite = Double.isFinite(loss) && Double.isFinite(norm);
    if (!finite && arguments.nonFinite() == NonFinite.STOP) {
      throw new TrainingException(
          "step "
              + (step + 1)
              + ": loss and gradient norm should be finite, found "
              + loss
              + " and "
              + norm);
    }
    double rate =
        arguments.learningRate()
            * arguments.lrSchedulerType().factor(step, warmupSteps, totalSteps);
    if (finite) {
      updates.step(rate, clipping(norm));
      trained.afterUpdate(step + 1, clipping(norm));
      lossSum += loss;
    }
    state = finite ? state.updated(loss) : state.skipped();
    updates.clearGradients();
    report(loss, rate, norm);
    if (steps.endsEpoch(state.step())) {
      listener.onEpoch(
          new EpochReport(
              state.step() / steps.perEpoch(),
              state.step(),
              state.meanEpochLoss(),
              speed.seconds() - epochStarted));
      epochStarted = speed.seconds();
      state = state.epochBegun();
    }
  }

  private double forwardBackward(int[] examples, int weight, long dropoutKey) {
    double loss =
        workers.sum(examples, data::length, dropoutKey, (part, key) -> run(part, weight, key));
    speed.add(examples.length, IntStream.of(examples).map(data::length).sum());
    return loss / weight;
  }

  private double run(int[] examples, int weight, long dropoutKey) {
    Model base = model.model();
    try (TokenBatch batch = data.batch(base, examples)) {
      return base.forwardBackward(
          batch, loss(batch, examples), 1.0 / weight, dropoutKey, recomputation.layers(batch));
    }
  }

  private Loss loss(TokenBatch batch, int[] examples) {
    return arguments
        .computeLossFunc()
        .<Loss>map(
            own -> logits -> own.of(logits, data.labels(batch, examples, logits.getManager())))
        .orElseGet(() -> data.loss(model.model(), examples));
  }

  private long dropoutKey(int step, int part) {
    return DropoutMask.mix(DropoutMask.mix(arguments.seed(), step), part);
  }

  private double clipping(double norm) {
    double limit = arguments.maxGradNorm();
    return limit > 0 ? Math.min(1, limit / (norm + 1e-6)) : 1;
  }

  private void report(double loss, double rate, double norm) throws IOException {
    double left =
        steps.epochs(totalSteps - state.step())
            * data.size()
            / Math.max(1e-9, speed.examplesLately());
    listener.onStep(
        new StepReport(
            state.step(),
            totalSteps,
            epoch(),
            loss,
            rate,
            norm,
            speed.examplesLately(),
            speed.tokensLately(),
            memory.now(),
            speed.seconds(),
            left));
  }

  private boolean due(When when, int every) {
    return switch (when) {
      case NO -> false;
      case STEPS -> state.step() % every == 0 || state.step() == totalSteps;
      case EPOCH -> steps.endsEpoch(state.step()) || state.step() == totalSteps;
    };
  }

  /**
   * {@return whether the run should end here}
   *
   * @throws CancellationException if it was asked to, and there is more to do
   */
  private boolean evaluateAndSave() throws IOException {
    boolean improved = due(arguments.evalStrategy(), arguments.evalSteps()) && evaluate();
    boolean keepBest = improved && arguments.loadBestModelAtEnd();
    boolean exhausted = exhausted();
    boolean asked = stopping.getAsBoolean() || Thread.currentThread().isInterrupted();
    boolean cancelled = asked && state.step() < totalSteps && !exhausted;
    Path folder = checkpoints.folder(state.step());
    if (cancelled || keepBest || due(arguments.saveStrategy(), arguments.saveSteps())) {
      checkpoints.write(trained, metadata, updates.state(), state);
      checkpoints.prune(arguments.saveTotalLimit(), state);
      listener.onCheckpoint(folder, state.step());
    }
    if (cancelled) {
      throw new CancellationException(
          String.format(
              Locale.ROOT,
              "stopped after step %d of %d; resuming goes on from %s",
              state.step(),
              totalSteps,
              folder));
    }
    return exhausted;
  }

  private boolean exhausted() {
    return arguments.earlyStoppingPatience() > 0
        && state.evaluationsSinceBest() >= arguments.earlyStoppingPatience();
  }

  /** {@return whether this evaluation is the best so far} */
  private boolean evaluate() throws IOException {
    Map<String, Double> metrics =
        heldOut.evaluate(model.model(), arguments.perDeviceEvalBatchSize());
    Double metric = metrics.get(arguments.metricForBestModel());
    if (metric == null) {
      throw new IllegalArgumentException(
          "metric_for_best_model: expected one of "
              + metrics.keySet()
              + ", found "
              + arguments.metricForBestModel());
    }
    boolean better = better(metric);
    state = state.evaluated(metric, better);
    listener.onEvaluate(new EvalReport(state.step(), epoch(), metrics));
    return better;
  }

  /** {@return whether it is the best so far; what is not a number never is} */
  private boolean better(double metric) {
    if (Double.isNaN(metric) || state.bestStep() == 0) {
      return !Double.isNaN(metric);
    }
    return arguments.greaterIsBetter() ? metric > state.bestMetric() : metric < state.bestMetric();
  }
}
