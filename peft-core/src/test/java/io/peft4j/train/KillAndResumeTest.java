package io.peft4j.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.peft4j.Golden;
import io.peft4j.safetensors.Checkpoint;
import io.peft4j.safetensors.CheckpointWriter;
import io.peft4j.safetensors.TensorSource;
import io.peft4j.torch.Precision;
import io.peft4j.train.TrainingArguments.GradientCheckpointing;
import io.peft4j.train.TrainingArguments.When;
import io.peft4j.train.report.EvalReport;
import io.peft4j.train.report.MetricsJsonLines;
import io.peft4j.train.report.RunInfo;
import io.peft4j.train.report.StepReport;
import io.peft4j.train.report.TensorBoardWriter;
import io.peft4j.train.report.TrainingListener;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CancellationException;
import java.util.concurrent.TimeUnit;
import java.util.function.IntConsumer;
import java.util.function.IntPredicate;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A run that was cut off, anywhere, ends with the bytes of one that was not. */
class KillAndResumeTest {

  /** What stands for the loss of power. */
  private static final class Cut extends RuntimeException {
    private static final long serialVersionUID = 1L;
  }

  private static TrainingListener cutAfter(IntPredicate step) {
    return afterEach(
        done -> {
          if (step.test(done)) {
            throw new Cut();
          }
        });
  }

  private static TrainingListener afterEach(IntConsumer step) {
    return new TrainingListener() {
      @Override
      public void onStep(StepReport report) {
        step.accept(report.step());
      }
    };
  }

  @Test
  void killedProcessesResume(@TempDir Path folder) throws Exception {
    byte[] expected =
        TinyTraining.run(
            TinyTraining.arguments().saveTotalLimit(2).build(), folder.resolve("whole"));
    Path output = folder.resolve("killed");
    Random random = new Random();
    List<String> kills = new ArrayList<>();
    // Twice after a random time in a step, and once while a checkpoint is being written.
    kills.add(killInStep(output, 4 + random.nextInt(4), random.nextInt(30)));
    kills.add(killWhileWriting(output));
    kills.add(killInStep(output, 2, random.nextInt(30)));
    Process last = Fork.start(ResumableRun.class, List.of(), output);
    List<String> steps;
    try (BufferedReader said = last.inputReader()) {
      steps = said.lines().filter(line -> line.startsWith("step ")).toList();
    }
    assertEquals(0, last.waitFor());
    System.out.println("killed " + kills + "; the last process did " + steps);
    assertTrue(steps.size() < 21, "resumed from a checkpoint, not from the start: " + steps);
    assertArrayEquals(expected, TinyTraining.weights(output));
    assertTrue(
        TinyTraining.names(output).stream().noneMatch(name -> name.endsWith(".tmp")),
        () -> "leftovers in " + output);
  }

  /** Kills a process some milliseconds after it has done {@code count} steps. */
  private static String killInStep(Path output, int count, int delay) throws Exception {
    Process process = Fork.start(ResumableRun.class, List.of(), output);
    String last = null;
    try (BufferedReader said = process.inputReader()) {
      for (int i = 0; i < count; ) {
        last = said.readLine();
        if (last == null) {
          throw new AssertionError("ended by itself: " + process.waitFor());
        }
        i += last.startsWith("step ") ? 1 : 0;
      }
      TimeUnit.MILLISECONDS.sleep(delay);
      kill(process);
    }
    return last + " + " + delay + " ms";
  }

  /** Kills a process as soon as a checkpoint that is not complete lies on the disk. */
  private static String killWhileWriting(Path output) throws Exception {
    Process process = Fork.start(ResumableRun.class, List.of(), output);
    while (process.isAlive()) {
      for (String name : TinyTraining.names(output)) {
        if (name.startsWith(".checkpoint-")) {
          kill(process);
          return name + (Files.exists(output.resolve(name)) ? " unfinished" : " just finished");
        }
      }
    }
    throw new AssertionError("ended by itself: " + process.exitValue());
  }

  private static void kill(Process process) throws InterruptedException {
    process.destroyForcibly();
    assertEquals(128 + 9, process.waitFor(), "killed by SIGKILL");
  }

  @Test
  void everyStepIsAPlaceToStop(@TempDir Path folder) throws IOException {
    TrainingArguments arguments = TinyTraining.arguments().build();
    byte[] expected = TinyTraining.run(arguments, folder.resolve("whole"));
    for (int stop = 1; stop < 21; stop++) {
      int at = stop;
      Path output = folder.resolve("cut-" + stop);
      try (TinyTraining run = TinyTraining.create()) {
        Trainer cut = run.trainer(arguments, cutAfter(step -> step == at), output);
        assertThrows(Cut.class, () -> cut.train(true));
      }
      try (TinyTraining run = TinyTraining.create()) {
        Recorder recorder = new Recorder();
        run.trainer(arguments, recorder, output).train(true);
        int first = recorder.steps().get(0).step();
        assertTrue(first > at - 3 && first <= at, "went on at " + first);
      }
      assertArrayEquals(expected, TinyTraining.weights(output), "cut after step " + stop);
    }
  }

  @Test
  void aRunThatIsAskedToStopEndsWithACheckpoint(@TempDir Path folder) throws IOException {
    TrainingArguments arguments = TinyTraining.arguments().build();
    byte[] expected = TinyTraining.run(arguments, folder.resolve("whole"));
    TrainingArguments unsaved = TinyTraining.arguments().saveStrategy(When.NO).build();
    for (TrainingArguments saving : List.of(arguments, unsaved)) {
      Path output = folder.resolve("stopped " + saving.saveStrategy());
      for (int stop : new int[] {1, 6, 11, 20}) {
        try (TinyTraining run = TinyTraining.create()) {
          Trainer[] trainer = new Trainer[1];
          TrainingListener listener =
              afterEach(
                  step -> {
                    if (step == stop) {
                      trainer[0].stop();
                    }
                  });
          trainer[0] = run.trainer(saving, listener, output);
          String said =
              assertThrows(CancellationException.class, () -> trainer[0].train(true)).getMessage();
          Path last = output.resolve("checkpoint-" + stop);
          assertEquals(
              "stopped after step " + stop + " of 21; resuming goes on from " + last, said);
          assertTrue(Files.exists(last.resolve("optimizer.safetensors")));
          assertFalse(Files.exists(output.resolve("adapter_model.safetensors")), "not the result");
        }
      }
      try (TinyTraining run = TinyTraining.create()) {
        Recorder recorder = new Recorder();
        Trainer last = run.trainer(saving, recorder, output);
        last.train(true);
        assertEquals(1, recorder.steps().size());
        last.stop();
        assertEquals(21, last.train(true).step(), "there is nothing left to stop");
      }
      assertArrayEquals(expected, TinyTraining.weights(output));
    }
  }

  @Test
  void stoppedManyTimesInBfloat16(@TempDir Path folder) throws IOException {
    TrainingArguments arguments =
        TinyTraining.arguments().loadBestModelAtEnd(false).saveSteps(2).groupByLength(true).build();
    byte[] expected;
    try (TinyTraining run = new TinyTraining(Precision.BFLOAT16)) {
      run.trainer(arguments, TinyTraining.SILENT, folder.resolve("whole")).train(false);
      expected = TinyTraining.weights(folder.resolve("whole"));
    }
    Path output = folder.resolve("cut");
    for (int stop = 3; stop < 21; stop += 3) {
      int at = stop;
      try (TinyTraining run = new TinyTraining(Precision.BFLOAT16)) {
        Trainer cut = run.trainer(arguments, cutAfter(step -> step == at), output);
        assertThrows(Cut.class, () -> cut.train(true));
      }
    }
    try (TinyTraining run = new TinyTraining(Precision.BFLOAT16)) {
      run.trainer(arguments, TinyTraining.SILENT, output).train(true);
    }
    assertArrayEquals(expected, TinyTraining.weights(output));
  }

  @Test
  void oneTrainerResumesItself(@TempDir Path folder) throws IOException {
    TrainingArguments arguments = TinyTraining.arguments().build();
    byte[] expected = TinyTraining.run(arguments, folder.resolve("whole"));
    boolean[] cutAlready = {false};
    try (TinyTraining run = TinyTraining.create()) {
      Trainer trainer =
          run.trainer(
              arguments,
              cutAfter(
                  step -> {
                    boolean now = step == 11 && !cutAlready[0];
                    cutAlready[0] |= now;
                    return now;
                  }),
              folder.resolve("cut"));
      assertThrows(Cut.class, () -> trainer.train(true));
      trainer.train(true);
      assertArrayEquals(expected, TinyTraining.weights(folder.resolve("cut")));
      // Of a finished run nothing is left to do.
      trainer.train(true);
      assertArrayEquals(expected, TinyTraining.weights(folder.resolve("cut")));
    }
  }

  @Test
  void recomputingGivesTheSameBytes(@TempDir Path folder) throws IOException {
    byte[] kept = TinyTraining.run(TinyTraining.arguments().build(), folder.resolve("kept"));
    TrainingArguments arguments =
        TinyTraining.arguments().gradientCheckpointing(GradientCheckpointing.ON).build();
    assertArrayEquals(kept, TinyTraining.run(arguments, folder.resolve("recomputed")));
  }

  @Test
  void earlyStoppingSurvivesACut(@TempDir Path folder) throws IOException {
    TrainingArguments arguments =
        TinyTraining.arguments().evalSteps(1).learningRate(1).earlyStoppingPatience(2).build();
    List<String> evaluations = new ArrayList<>();
    TrainingListener listener =
        new TrainingListener() {
          @Override
          public void onEvaluate(EvalReport report) {
            evaluations.add(report.step() + " " + report.metrics().get("loss"));
          }
        };
    int end = TinyTraining.run(arguments, listener, folder.resolve("whole")).step();
    List<String> whole = List.copyOf(evaluations);
    evaluations.clear();
    assertTrue(end < 21, "stopped early, at " + end);
    Path output = folder.resolve("cut");
    for (int stop = 1; stop <= end; stop++) {
      int at = stop;
      try (TinyTraining run = TinyTraining.create()) {
        Trainer cut = run.trainer(arguments, cutAfter(step -> step == at), output);
        assertThrows(Cut.class, () -> cut.train(true));
      }
    }
    try (TinyTraining run = TinyTraining.create()) {
      assertEquals(end, run.trainer(arguments, listener, output).train(true).step());
    }
    assertTrue(whole.containsAll(evaluations) && !evaluations.isEmpty());
    assertArrayEquals(TinyTraining.weights(folder.resolve("whole")), TinyTraining.weights(output));
  }

  @Test
  void refusesOtherSettingsNamingThem(@TempDir Path output) throws IOException {
    TrainingArguments arguments = TinyTraining.arguments().build();
    try (TinyTraining run = TinyTraining.create()) {
      Trainer cut = run.trainer(arguments, cutAfter(step -> step == 8), output);
      assertThrows(Cut.class, () -> cut.train(false));

      refuses(
          run.trainer(TinyTraining.arguments().seed(7).build(), cutAfter(s -> true), output),
          "cannot resume: "
              + output.resolve("checkpoint-6")
              + " was made with other settings: "
              + "seed (now 7, then 42)");
      refuses(
          run.trainer(
              TinyTraining.arguments().learningRate(1e-3).maxSteps(9).build(),
              cutAfter(s -> true),
              output),
          "learning_rate (now 0.001, then 0.005), steps (now 9, then 21)");
      refuses(
          run.trainer(
              arguments, run.examples(TinyTraining.EXAMPLES, 4), cutAfter(s -> true), output),
          "data (now ");
    }
    try (TinyTraining run = TinyTraining.create()) {
      run.adapted().delete("a");
      run.adapted().add("a", TinyTraining.config().toBuilder().loraAlpha(16).build(), 1);
      refuses(
          run.trainer(arguments, cutAfter(s -> true), output),
          "adapter lora_alpha (now 16, then 8)");
    }
  }

  private static void refuses(Trainer trainer, String message) {
    Exception refused = assertThrows(IllegalArgumentException.class, () -> trainer.train(true));
    assertTrue(refused.getMessage().contains(message), refused.getMessage());
  }

  @Test
  void checkpointsOfAnotherRunAreLetBe(@TempDir Path folder) throws IOException {
    TrainingArguments arguments = TinyTraining.arguments().saveTotalLimit(1).build();
    byte[] expected = TinyTraining.run(arguments, folder.resolve("whole"));
    Path output = folder.resolve("shared");
    TinyTraining.run(TinyTraining.arguments().seed(1).build(), output);
    List<String> before = TinyTraining.names(output);
    assertTrue(before.contains("checkpoint-21"), before.toString());
    try (TinyTraining run = TinyTraining.create()) {
      Trainer cut = run.trainer(arguments, cutAfter(step -> step == 11), output);
      assertThrows(Cut.class, () -> cut.train(false));
    }
    try (TinyTraining run = TinyTraining.create()) {
      run.trainer(arguments, cutAfter(step -> step <= 9), output).train(true);
    }
    assertArrayEquals(expected, TinyTraining.weights(output));
  }

  @Test
  void anInterruptedThreadEndsWithACheckpoint(@TempDir Path folder) throws Exception {
    TrainingArguments arguments = TinyTraining.arguments().build();
    byte[] expected = TinyTraining.run(arguments, folder.resolve("whole"));
    Path output = folder.resolve("interrupted");
    for (int stop : new int[] {4, 5, 9, 21}) {
      Thread training = Thread.currentThread();
      try (TinyTraining run = TinyTraining.create();
          TrainingListener files =
              TrainingListener.all(
                  List.of(
                      new MetricsJsonLines(output.resolve("metrics.jsonl")),
                      new TensorBoardWriter(output.resolve("tensorboard")),
                      afterEach(step -> interruptAt(step == stop, training))))) {
        Trainer trainer = run.trainer(arguments, files, output);
        if (stop < 21) {
          assertThrows(CancellationException.class, () -> trainer.train(true));
        } else {
          trainer.train(true); // there is nothing left to do but to write it
        }
      }
      assertTrue(Thread.interrupted(), "whoever interrupted should still see it");
    }
    assertArrayEquals(expected, TinyTraining.weights(output));
    assertEquals(
        22,
        Files.readAllLines(output.resolve("metrics.jsonl")).stream()
            .filter(line -> line.contains("\"loss\"") || line.contains("train_loss"))
            .count());
  }

  /** Files are read and locked by an interrupted thread too: it ends where others would. */
  @Test
  void aThreadThatIsInterruptedBeforeItTrainsEndsWithACheckpoint(@TempDir Path folder)
      throws IOException {
    TrainingArguments arguments = TinyTraining.arguments().saveTotalLimit(1).build();
    byte[] expected = TinyTraining.run(arguments, folder.resolve("whole"));
    Path output = folder.resolve("interrupted");
    for (int step = 1; step <= 21; step++) {
      try (TinyTraining run = TinyTraining.create()) {
        Trainer trainer = run.trainer(arguments, TinyTraining.SILENT, output);
        Thread.currentThread().interrupt();
        if (step < 21) {
          assertThrows(CancellationException.class, () -> trainer.train(true));
        } else {
          trainer.train(true);
        }
        assertTrue(Thread.interrupted(), "whoever interrupted should still see it");
        int at = step;
        assertTrue(Files.exists(output.resolve("checkpoint-" + at)));
      }
    }
    assertArrayEquals(expected, TinyTraining.weights(output));
  }

  private static void interruptAt(boolean now, Thread thread) {
    if (now) {
      thread.interrupt();
    }
  }

  @Test
  void anotherBaseIsRefused(@TempDir Path folder) throws IOException {
    TrainingArguments arguments = TinyTraining.arguments().build();
    Path output = folder.resolve("output");
    TinyTraining.run(arguments, output);
    Path other = Files.createDirectory(folder.resolve("other"));
    Path base = Golden.path("encoders/bert");
    Files.copy(base.resolve("config.json"), other.resolve("config.json"));
    List<TensorSource> tensors = new ArrayList<>();
    try (Checkpoint checkpoint = Checkpoint.open(base)) {
      for (String name : checkpoint.names()) {
        tensors.add(checkpoint.source(name));
      }
      TensorSource last = tensors.remove(tensors.size() - 1);
      byte[] bytes = new byte[(int) last.length()];
      tensors.add(TensorSource.of(last.name(), last.dtype(), last.shape(), ByteBuffer.wrap(bytes)));
      CheckpointWriter.write(other, tensors, Map.of("format", "pt"), 1 << 30);
    }
    try (TinyTraining run = new TinyTraining(other)) {
      Trainer trainer = run.trainer(arguments, TinyTraining.SILENT, output);
      Exception e = assertThrows(IllegalArgumentException.class, () -> trainer.train(true));
      assertTrue(e.getMessage().contains("base_sha256 (now "), e.getMessage());
    }
  }

  @Test
  void damagedCheckpointsArePassedOver(@TempDir Path output) throws IOException {
    TrainingArguments arguments = TinyTraining.arguments().build();
    byte[] expected = TinyTraining.run(arguments, output);
    Path folder = output.resolve("checkpoint-21");
    for (String name :
        List.of(
            "optimizer.safetensors",
            "adapter_model.safetensors",
            "adapter_config.json",
            "trainer_state.json",
            "checksums.json")) {
      Path file = folder.resolve(name);
      byte[] whole = Files.readAllBytes(file);
      for (byte[] damaged : List.of(new byte[0], Arrays.copyOf(whole, whole.length / 2))) {
        Files.write(file, damaged);
        assertEquals(20, startOfResumed(arguments, output), name);
        assertArrayEquals(expected, TinyTraining.weights(output));
      }
    }
    for (String other : TinyTraining.names(output)) {
      if (other.startsWith("checkpoint-")) {
        Files.delete(output.resolve(other).resolve("optimizer.safetensors"));
      }
    }
    try (TinyTraining run = TinyTraining.create()) {
      Trainer trainer = run.trainer(arguments, TinyTraining.SILENT, output);
      Exception e = assertThrows(IllegalArgumentException.class, () -> trainer.train(true));
      assertTrue(
          e.getMessage().contains(folder.resolve("optimizer.safetensors") + " is missing"),
          e.toString());
    }
  }

  /** {@return the step that the run went on from} */
  private static int startOfResumed(TrainingArguments arguments, Path output) throws IOException {
    int[] start = new int[1];
    TrainingListener listener =
        new TrainingListener() {
          @Override
          public void onStart(RunInfo run) {
            start[0] = run.startStep();
          }
        };
    try (TinyTraining run = TinyTraining.create()) {
      run.trainer(arguments, listener, output).train(true);
    }
    return start[0];
  }

  @Test
  void foldersThatOnlyLookLikeCheckpointsAreLetBe(@TempDir Path output) throws IOException {
    TrainingArguments arguments = TinyTraining.arguments().build();
    TinyTraining.run(arguments, output);
    for (String name : List.of("checkpoint-99999999999", "checkpoint-\u0663", "checkpoint-")) {
      Files.writeString(
          Files.createDirectory(output.resolve(name)).resolve("trainer_state.json"), "{}");
    }
    assertEquals(21, startOfResumed(arguments, output));
    Files.writeString(
        Files.createDirectory(output.resolve("checkpoint-22")).resolve("trainer_state.json"), "{}");
    assertEquals(21, startOfResumed(arguments, output), "one without sums is passed over");
  }

  @Test
  void theBestCheckpointHasToBeThere(@TempDir Path output) throws IOException {
    TrainingArguments arguments = TinyTraining.arguments().build();
    TinyTraining.run(arguments, output);
    try (TinyTraining run = TinyTraining.create()) {
      int best =
          run.trainer(arguments, TinyTraining.SILENT, output).train(true).bestStep().orElseThrow();
      Path kept = output.resolve("checkpoint-" + best);
      Files.move(kept, output.resolve("moved"));
      if (best != 21) {
        Trainer trainer = run.trainer(arguments, TinyTraining.SILENT, output);
        Exception e = assertThrows(IOException.class, () -> trainer.train(true));
        assertTrue(e.getMessage().contains(kept.toString()), e.toString());
      }
    }
  }
}
