package io.peft4j.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.peft4j.train.TrainingArguments.When;
import io.peft4j.train.report.RunSummary;
import io.peft4j.train.report.TrainingListener;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Which checkpoint is the best, what is kept of the others, and when a run stops early. */
class BestCheckpointTest {

  /** Says the losses it is told, whatever the model does. */
  private static EvaluationSet scripted(double... losses) {
    Iterator<Double> next = Arrays.stream(losses).boxed().iterator();
    return (model, batchSize) -> {
      double loss = next.next();
      return Map.of("loss", loss, "accuracy", 1 - loss);
    };
  }

  private static RunSummary train(
      TinyTraining run,
      TrainingArguments arguments,
      EvaluationSet heldOut,
      TrainingListener listener,
      Path output)
      throws IOException {
    TrainingSet data = run.examples(TinyTraining.EXAMPLES, 5);
    return new Trainer(run.adapted(), "a", arguments, data, heldOut, listener, output, Map.of())
        .train(false);
  }

  @Test
  void keepsTheBestAndSoManyMore(@TempDir Path folder) throws IOException {
    TrainingArguments arguments =
        TinyTraining.arguments().maxSteps(10).evalSteps(2).saveSteps(2).saveTotalLimit(2).build();
    Path output = folder.resolve("best");
    try (TinyTraining run = TinyTraining.create()) {
      RunSummary summary =
          train(run, arguments, scripted(5, 1, 4, 3, 2), TinyTraining.SILENT, output);
      assertEquals(OptionalInt.of(4), summary.bestStep());
      assertFalse(summary.stoppedEarly());
    }
    assertEquals(
        List.of(
            "adapter_config.json",
            "adapter_model.safetensors",
            "checkpoint-10",
            "checkpoint-4",
            "checkpoint-8"),
        TinyTraining.names(output));
    assertArrayEquals(
        TinyTraining.weights(output.resolve("checkpoint-4")), TinyTraining.weights(output));
    assertFalse(
        Arrays.equals(
            TinyTraining.weights(output.resolve("checkpoint-10")), TinyTraining.weights(output)));
  }

  @Test
  void bestIsSavedOutOfTurn(@TempDir Path output) throws IOException {
    TrainingArguments arguments =
        TinyTraining.arguments().maxSteps(8).evalSteps(2).saveStrategy(When.NO).build();
    Recorder recorder = new Recorder();
    try (TinyTraining run = TinyTraining.create()) {
      train(run, arguments, scripted(3, 4, 2, 2), recorder, output);
    }
    assertEquals("2 6", recorder.events("checkpoint"));
    assertArrayEquals(
        TinyTraining.weights(output.resolve("checkpoint-6")), TinyTraining.weights(output));
  }

  @Test
  void stopsWithoutImprovement(@TempDir Path folder) throws IOException {
    TrainingArguments.Builder arguments =
        TinyTraining.arguments().evalSteps(2).earlyStoppingPatience(2);
    Recorder recorder = new Recorder();
    try (TinyTraining run = TinyTraining.create()) {
      RunSummary summary =
          train(
              run, arguments.build(), scripted(3, 4, 2, 2.5, 2), recorder, folder.resolve("loss"));
      assertTrue(summary.stoppedEarly());
      assertEquals(10, summary.step());
      assertEquals(OptionalInt.of(6), summary.bestStep());
    }
    assertEquals("2 4 6 8 10", recorder.events("evaluate"));
    // Of accuracy, which falls as the loss rises, more is better; eval_ is HF's way to say it.
    try (TinyTraining run = TinyTraining.create()) {
      RunSummary summary =
          train(
              run,
              arguments.metricForBestModel("eval_accuracy").build(),
              scripted(3, 4, 2, 2.5, 2),
              recorder,
              folder.resolve("accuracy"));
      assertEquals(OptionalInt.of(6), summary.bestStep());
    }
  }

  @Test
  void whatIsNoNumberIsNeverBest(@TempDir Path output) throws IOException {
    TrainingArguments arguments = TinyTraining.arguments().maxSteps(6).evalSteps(2).build();
    try (TinyTraining run = TinyTraining.create()) {
      RunSummary summary =
          train(run, arguments, scripted(Double.NaN, 5, Double.NaN), TinyTraining.SILENT, output);
      assertEquals(OptionalInt.of(4), summary.bestStep());
    }
  }

  @Test
  void unknownMetricIsNamed(@TempDir Path output) throws IOException {
    TrainingArguments arguments = TinyTraining.arguments().metricForBestModel("bleu").build();
    try (TinyTraining run = TinyTraining.create()) {
      Exception e =
          assertThrows(
              IllegalArgumentException.class,
              () -> train(run, arguments, scripted(1), TinyTraining.SILENT, output));
      assertTrue(e.getMessage().contains("bleu") && e.getMessage().contains("accuracy"));
      assertThrows(
          IllegalArgumentException.class,
          () -> train(run, arguments, null, TinyTraining.SILENT, output));
    }
  }
}
