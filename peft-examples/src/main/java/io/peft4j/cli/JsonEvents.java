package io.peft4j.cli;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.data.Truncation;
import io.peft4j.train.report.EvalReport;
import io.peft4j.train.report.RunInfo;
import io.peft4j.train.report.RunSummary;
import io.peft4j.train.report.StepReport;
import io.peft4j.train.report.TrainingListener;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Path;

/** Tells a run to other programs: one JSON object a line. */
final class JsonEvents implements TrainingListener {

  private final PrintStream out;

  JsonEvents(PrintStream out) {
    this.out = out;
  }

  /** Says what there is to train on, before the run starts. */
  void data(int examples, int heldOut, Truncation cut) throws IOException {
    print(
        event("data")
            .put("examples", examples)
            .put("held_out", heldOut)
            .put("cut_examples", cut.examples())
            .put("cut_tokens", cut.tokens())
            .put("tokens", cut.ofTokens())
            .put("left_out_examples", cut.dropped()));
  }

  private static ObjectNode event(String name) {
    return JsonNodeFactory.instance.objectNode().put("event", name);
  }

  private void print(ObjectNode event) throws IOException {
    JsonOutput.println(out, event);
  }

  @Override
  public void onResume(Path folder, int step, double epoch) throws IOException {
    print(event("resume").put("folder", folder.toString()).put("step", step).put("epoch", epoch));
  }

  @Override
  public void onStart(RunInfo run) throws IOException {
    print(
        event("start")
            .put("start_step", run.startStep())
            .put("total_steps", run.totalSteps())
            .put("epochs", run.epochs())
            .put("examples", run.examples())
            .put("trainable_parameters", run.trainableParameters())
            .put("total_parameters", run.totalParameters()));
  }

  @Override
  public void onStep(StepReport step) throws IOException {
    ObjectNode event =
        event("step")
            .put("step", step.step())
            .put("epoch", step.epoch())
            .put("loss", step.loss())
            .put("learning_rate", step.learningRate())
            .put("grad_norm", step.gradientNorm())
            .put("examples_per_second", step.examplesPerSecond())
            .put("tokens_per_second", step.tokensPerSecond());
    step.memory().rssBytes().ifPresent(bytes -> event.put("rss_bytes", bytes));
    step.memory().gpu().ifPresent(gpu -> event.put("gpu_bytes", gpu.usedBytes()));
    print(event);
  }

  @Override
  public void onEvaluate(EvalReport evaluation) throws IOException {
    ObjectNode event =
        event("evaluate").put("step", evaluation.step()).put("epoch", evaluation.epoch());
    evaluation.metrics().forEach((name, value) -> event.put("eval_" + name, value));
    print(event);
  }

  @Override
  public void onCheckpoint(Path folder, int step) throws IOException {
    print(event("checkpoint").put("step", step).put("folder", folder.toString()));
  }

  @Override
  public void onEnd(RunSummary summary) throws IOException {
    ObjectNode event =
        event("end")
            .put("step", summary.step())
            .put("train_loss", summary.loss())
            .put("seconds", summary.seconds())
            .put("examples_per_second", summary.examplesPerSecond())
            .put("tokens_per_second", summary.tokensPerSecond())
            .put("stopped_early", summary.stoppedEarly());
    summary.memory().peakRssBytes().ifPresent(bytes -> event.put("peak_rss_bytes", bytes));
    summary.memory().gpu().ifPresent(gpu -> event.put("peak_gpu_bytes", gpu.peakBytes()));
    summary.bestStep().ifPresent(step -> event.put("best_step", step));
    print(event);
  }
}
