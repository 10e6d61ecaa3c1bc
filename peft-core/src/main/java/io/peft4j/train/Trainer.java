package io.peft4j.train;

import io.peft4j.adapter.AdaptedModel;
import io.peft4j.adapter.AdapterMix;
import io.peft4j.io.Durable;
import io.peft4j.io.OutputLock;
import io.peft4j.model.Model;
import io.peft4j.model.Uses;
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
import java.util.stream.IntStream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Trains one adapter of a model, or several together.
 *
 * <p>The order of the data and every dropout mask are functions of the seed and the step, so a run
 * that was killed and resumed from its last checkpoint ends with the bytes it would have ended
 * with.
 *
 * <pre>{@code
 * model.add("mine", LoraConfig.builder().r(8).loraAlpha(16).taskType("SEQ_CLS").build(), 42);
 * TrainingArguments arguments =
 *     TrainingArguments.builder().numTrainEpochs(3).learningRate(1e-3).build();
 * new Trainer(model, "mine", arguments, train, heldOut, new LogListener(10), output, Map.of())
 *     .train(true); // goes on from the last checkpoint, if there is one
 * }</pre>
 */
public final class Trainer {

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
  private volatile boolean stopping;

  /**
   * @param model with the adapter to train, which becomes the only active one
   * @param adapter its name
   * @param heldOut what to evaluate on; may be null where nothing is evaluated
   * @param output folder for checkpoints and the adapter
   * @param metadata for the adapter's file
   * @throws IllegalArgumentException if an evaluation is asked for and there is nothing held out
   */
  public Trainer(
      AdaptedModel model,
      String adapter,
      TrainingArguments arguments,
      TrainingSet data,
      EvaluationSet heldOut,
      TrainingListener listener,
      Path output,
      Map<String, String> metadata) {
    this(
        model,
        new AdapterMix(model, List.of(adapter)),
        arguments,
        data,
        heldOut,
        listener,
        output,
        metadata);
  }

  /**
   * @param trained the adapters to train, which become the only active ones
   * @param heldOut what to evaluate on; may be null where nothing is evaluated
   * @param output folder for checkpoints and the adapters
   * @param metadata for the adapters' files
   * @throws IllegalArgumentException if an evaluation is asked for and there is nothing held out
   */
  public Trainer(
      AdaptedModel model,
      AdapterMix trained,
      TrainingArguments arguments,
      TrainingSet data,
      EvaluationSet heldOut,
      TrainingListener listener,
      Path output,
      Map<String, String> metadata) {
    if (heldOut == null && arguments.evalStrategy() != When.NO) {
      throw new IllegalArgumentException(
          "eval_strategy " + arguments.evalStrategy() + " needs held-out examples");
    }
    this.model = model;
    this.trained = trained;
    this.arguments = arguments;
    this.data = data;
    this.heldOut = heldOut;
    this.listener = listener;
    this.checkpoints = new Checkpoints(output);
    this.output = output;
    this.metadata = Map.copyOf(metadata);
  }

  /**
   * Trains from the start, or from the last checkpoint in the output folder, and writes the result
   * to the output folder: a peft folder, or after full fine-tuning a plain checkpoint.
   *
   * @param resume whether to go on from the last checkpoint, if there is one
   * @throws IOException if something cannot be written; the last complete checkpoint is then
   *     intact; or if another run is writing to the output folder
   * @throws IllegalArgumentException if the run is to go on, but all checkpoints are of runs with
   *     other settings or data; the message names what differs
   * @throws TrainingException if a loss or gradient is not finite and the arguments say to stop
   * @throws CancellationException if {@link #stop} was called or the thread interrupted, which it
   *     still is; a checkpoint has all that was done
   */
  public RunSummary train(boolean resume) throws IOException {
    try (Uses.Use training = model.model().uses().train()) {
      return trainAlone(resume);
    }
  }

  private RunSummary trainAlone(boolean resume) throws IOException {
    trained.checkExport(output);
    trained.activate();
    trained.setTrainable(true);
    trained.clearGradients();
    try (OutputLock lock = checkpoints.prepare();
        ParameterUpdates updates =
            new ParameterUpdates(trained.tensors(), model.model().manager(), arguments);
        Workers workers = Workers.of(model.model(), trained, arguments)) {
      return new Run(updates, workers).train(resume);
    } finally {
      trained.setTrainable(false);
    }
  }

  /**
   * Asks the run to end after the step it is in, with a checkpoint to go on from. May be called
   * from any thread and at any time, once for all; returns at once.
   */
  public void stop() {
    stopping = true;
  }

  /** One run of {@link #train}. */
  private final class Run {
    private final ParameterUpdates updates;
    private final Workers workers;
    private final StepBatches steps = new StepBatches(data, arguments);
    private final int totalSteps = steps.total();
    private final Recomputation recomputation;
    private final MemoryMonitor memory = new MemoryMonitor(model.model().manager().getDevice());
    private final int warmupSteps = arguments.warmupStepsOf(totalSteps);
    private TrainerState state;
    private Speed speed;
    private double lossSum;
    private double epochStarted;

    Run(ParameterUpdates updates, Workers workers) {
      this.updates = updates;
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
            batch,
            loss(batch, examples),
            1.0 / weight,
            dropoutKey,
            recomputation.layers(batch));
      }
    }

    private Loss loss(TokenBatch batch, int[] examples) {
      return arguments
          .computeLossFunc()
          .<Loss>map(
              own ->
                  logits -> own.of(logits, data.labels(batch, examples, logits.getManager())))
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
      boolean asked = stopping || Thread.currentThread().isInterrupted();
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
      return arguments.greaterIsBetter()
          ? metric > state.bestMetric()
          : metric < state.bestMetric();
    }
  }
}
