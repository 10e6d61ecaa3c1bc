package io.peft4j.train;

import static org.junit.jupiter.api.Assertions.assertTrue;

import io.peft4j.adapter.AdapterFiles;
import io.peft4j.train.report.EpochReport;
import io.peft4j.train.report.EvalReport;
import io.peft4j.train.report.RunInfo;
import io.peft4j.train.report.RunSummary;
import io.peft4j.train.report.StepReport;
import io.peft4j.train.report.TrainingListener;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Writes down all it hears. */
final class Recorder implements TrainingListener {

  private final List<String> heard = new ArrayList<>();
  private final List<StepReport> steps = new ArrayList<>();

  @Override
  public void onStart(RunInfo run) {
    heard.add("start " + run.startStep() + "/" + run.totalSteps());
  }

  @Override
  public void onStep(StepReport step) {
    steps.add(step);
    heard.add("step " + step.step());
  }

  @Override
  public void onEpoch(EpochReport epoch) {
    heard.add("epoch " + epoch.epoch());
  }

  @Override
  public void onEvaluate(EvalReport evaluation) {
    heard.add("evaluate " + evaluation.step());
  }

  @Override
  public void onCheckpoint(Path folder, int step) {
    assertTrue(Files.exists(folder.resolve(AdapterFiles.WEIGHTS)), "complete when reported");
    heard.add("checkpoint " + step);
  }

  @Override
  public void onEnd(RunSummary summary) {
    heard.add("end " + summary.step());
  }

  List<String> heard() {
    return heard;
  }

  List<StepReport> steps() {
    return steps;
  }

  /** {@return the steps at which events of that kind were heard, joined by blanks} */
  String events(String kind) {
    return String.join(" ", heard.stream().filter(event -> event.startsWith(kind)).toList())
        .replace(kind + " ", "");
  }
}
