package io.peft4j.train.report;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/** Tells each of several listeners; the first that throws keeps the later ones from hearing. */
final class Fanout implements TrainingListener {

  private final List<TrainingListener> listeners;

  Fanout(List<? extends TrainingListener> listeners) {
    this.listeners = List.copyOf(listeners);
  }

  private interface Call {
    void on(TrainingListener listener) throws IOException;
  }

  private void each(Call call) throws IOException {
    for (TrainingListener listener : listeners) {
      call.on(listener);
    }
  }

  @Override
  public void onResume(Path folder, int step, double epoch) throws IOException {
    each(listener -> listener.onResume(folder, step, epoch));
  }

  @Override
  public void onStart(RunInfo run) throws IOException {
    each(listener -> listener.onStart(run));
  }

  @Override
  public void onStep(StepReport step) throws IOException {
    each(listener -> listener.onStep(step));
  }

  @Override
  public void onEpoch(EpochReport epoch) throws IOException {
    each(listener -> listener.onEpoch(epoch));
  }

  @Override
  public void onEvaluate(EvalReport evaluation) throws IOException {
    each(listener -> listener.onEvaluate(evaluation));
  }

  @Override
  public void onCheckpoint(Path folder, int step) throws IOException {
    each(listener -> listener.onCheckpoint(folder, step));
  }

  @Override
  public void onEnd(RunSummary summary) throws IOException {
    each(listener -> listener.onEnd(summary));
  }

  /** Closes every listener, even where an earlier one fails to. */
  @Override
  public void close() throws IOException {
    IOException failure = null;
    for (TrainingListener listener : listeners) {
      try {
        listener.close();
      } catch (IOException e) {
        if (failure == null) {
          failure = e;
        } else {
          failure.addSuppressed(e);
        }
      }
    }
    if (failure != null) {
      throw failure;
    }
  }
}
