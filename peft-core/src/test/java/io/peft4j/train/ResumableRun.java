package io.peft4j.train;

import io.peft4j.train.report.StepReport;
import io.peft4j.train.report.TrainingListener;
import java.io.IOException;
import java.nio.file.Path;

/**
 * A {@link TinyTraining} in a process of its own, to be killed. Goes on from the last checkpoint if
 * there is one; says each step. Argument: output folder.
 */
final class ResumableRun implements TrainingListener {

  private ResumableRun() {}

  public static void main(String[] arguments) throws IOException {
    TrainingArguments training = TinyTraining.arguments().saveTotalLimit(2).build();
    try (TinyTraining run = TinyTraining.create()) {
      run.trainer(training, new ResumableRun(), Path.of(arguments[0])).train(true);
    }
  }

  @Override
  public void onStep(StepReport step) {
    System.out.println("step " + step.step());
  }
}
