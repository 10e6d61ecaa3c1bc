package io.peft4j.train.report;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class TrainingListenerTest {

  /** Writes down what it hears, and fails to close where told to. */
  private record Recorder(String name, List<String> heard, IOException onClose)
      implements TrainingListener {

    private void add(String event) {
      heard.add(name + " " + event);
    }

    @Override
    public void onStart(RunInfo run) {
      add("start");
    }

    @Override
    public void onStep(StepReport step) {
      add("step " + step.step());
    }

    @Override
    public void onEpoch(EpochReport epoch) {
      add("epoch " + epoch.epoch());
    }

    @Override
    public void onEvaluate(EvalReport evaluation) {
      add("evaluate " + evaluation.step());
    }

    @Override
    public void onCheckpoint(Path folder, int step) {
      add("checkpoint " + folder + " " + step);
    }

    @Override
    public void onEnd(RunSummary summary) {
      add("end " + summary.step());
    }

    @Override
    public void close() throws IOException {
      add("close");
      if (onClose != null) {
        throw onClose;
      }
    }
  }

  private static void tell(TrainingListener listener) throws IOException {
    listener.onStart(Reports.run(0, 5));
    listener.onStep(Reports.step(1, 0.5));
    listener.onEpoch(new EpochReport(1, 1, 0.5, 2));
    listener.onEvaluate(new EvalReport(1, 1, Map.of()));
    listener.onCheckpoint(Path.of("out"), 1);
    listener.onEnd(Reports.summary(1));
  }

  @Test
  void tellsAllInOrder() throws IOException {
    List<String> heard = new ArrayList<>();
    try (TrainingListener all =
        TrainingListener.all(
            List.of(new Recorder("a", heard, null), new Recorder("b", heard, null)))) {
      tell(all);
    }
    List<String> expected = new ArrayList<>();
    for (String event :
        List.of("start", "step 1", "epoch 1", "evaluate 1", "checkpoint out 1", "end 1", "close")) {
      expected.add("a " + event);
      expected.add("b " + event);
    }
    assertEquals(expected, heard);
  }

  @Test
  void closesAllAndThrowsTheFirstFailureWithTheOthers() {
    List<String> heard = new ArrayList<>();
    IOException first = new IOException("disk full");
    IOException second = new IOException("gone");
    TrainingListener all =
        TrainingListener.all(
            List.of(
                new Recorder("a", heard, first),
                new Recorder("b", heard, null),
                new Recorder("c", heard, second)));
    assertSame(first, assertThrows(IOException.class, all::close));
    assertEquals(List.of("a close", "b close", "c close"), heard);
    assertSame(second, first.getSuppressed()[0]);
  }

  @Test
  void hearsNothingUnlessOverridden() throws IOException {
    try (TrainingListener silent = new TrainingListener() {}) {
      tell(silent);
    }
  }

  @Test
  void recordsCheckAndCopyWhatTheyHold() {
    assertThrows(IllegalArgumentException.class, () -> Reports.run(6, 5));
    assertThrows(IllegalArgumentException.class, () -> new RunInfo(0, 5, 1, 10, 11, 10));
    assertEquals(0.25, new RunInfo(0, 5, 1, 10, 25, 100).trainableShare());
    Map<String, Double> metrics = new LinkedHashMap<>(Map.of("loss", 1.0));
    EvalReport report = new EvalReport(1, 1, metrics);
    metrics.clear();
    assertEquals(Map.of("loss", 1.0), report.metrics());
  }

  @Test
  void displaysFiguresForPeople() {
    assertEquals("512 kB", Display.bytes(512_000));
    assertEquals("64 MB", Display.bytes(64_000_000));
    assertEquals("1.24 GB", Display.bytes(1_240_000_000L));
    assertEquals("45s", Display.duration(45.2));
    assertEquals("1m00s", Display.duration(59.7));
    assertEquals("1h02m", Display.duration(3725));
    assertEquals("?", Display.duration(Double.NaN));
    assertEquals("9.5", Display.rate(9.46));
    assertEquals("12,346", Display.rate(12_345.6));
  }
}
