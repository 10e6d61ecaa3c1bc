package io.peft4j.train.report;

import java.io.Closeable;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/**
 * Hears what happens in a training run. Every method does nothing unless overridden.
 *
 * <p>The calls come in order from the training thread: {@code onResume} where one goes on, {@code
 * onStart}, then for each optimizer step {@code onStep} and, where due, {@code onEpoch}, {@code
 * onEvaluate} and {@code onCheckpoint} of that step, then {@code onEnd}. A run that fails never
 * reaches {@code onEnd}. Whoever made a listener closes it, after a failed run too. An exception
 * from a listener ends the run.
 */
public interface TrainingListener extends Closeable {

  /**
   * The run is to go on from a checkpoint; {@code onStart} follows.
   *
   * @param folder the checkpoint's folder
   * @param step the optimizer steps it holds
   * @param epoch how many passes over the examples those are
   * @throws IOException if writing fails
   */
  default void onResume(Path folder, int step, double epoch) throws IOException {}

  /**
   * The run starts, or goes on from a checkpoint.
   *
   * @throws IOException if what the listener writes to cannot be opened
   */
  default void onStart(RunInfo run) throws IOException {}

  /**
   * An optimizer step is done.
   *
   * @throws IOException if writing fails
   */
  default void onStep(StepReport step) throws IOException {}

  /**
   * A pass over the training examples is done.
   *
   * @throws IOException if writing fails
   */
  default void onEpoch(EpochReport epoch) throws IOException {}

  /**
   * An evaluation is done.
   *
   * @throws IOException if writing fails
   */
  default void onEvaluate(EvalReport evaluation) throws IOException {}

  /**
   * A checkpoint lies complete on disk.
   *
   * @param folder the checkpoint's folder
   * @param step the optimizer steps it holds
   * @throws IOException if writing fails
   */
  default void onCheckpoint(Path folder, int step) throws IOException {}

  /**
   * The run has ended well: all steps done or stopped early.
   *
   * @throws IOException if writing fails
   */
  default void onEnd(RunSummary summary) throws IOException {}

  /** Releases files and threads; closing twice is harmless. */
  @Override
  default void close() throws IOException {}

  /** One listener that tells all of {@code listeners}, in their order, and closes them all. */
  static TrainingListener all(List<? extends TrainingListener> listeners) {
    return new Fanout(listeners);
  }
}
