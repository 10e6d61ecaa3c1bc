package io.peft4j.train;

import io.peft4j.adapter.AdaptedModel;
import io.peft4j.adapter.AdapterMix;
import io.peft4j.io.OutputLock;
import io.peft4j.model.Uses;
import io.peft4j.train.TrainingArguments.When;
import io.peft4j.train.report.RunSummary;
import io.peft4j.train.report.TrainingListener;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CancellationException;

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

  final AdaptedModel model;
  final AdapterMix trained;
  final TrainingArguments arguments;
  final TrainingSet data;
  final EvaluationSet heldOut;
  final TrainingListener listener;
  final Checkpoints checkpoints;
  final Path output;
  final Map<String, String> metadata;
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
      return new TrainingRun(this, updates, workers).train(resume);
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

  boolean isStopping() {
    return stopping;
  }
}
