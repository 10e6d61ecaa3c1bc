package io.peft4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.peft4j.train.report.EvalReport;
import io.peft4j.train.report.ProcessMemory;
import io.peft4j.train.report.RunInfo;
import io.peft4j.train.report.RunSummary;
import io.peft4j.train.report.StepReport;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;

class ProgressBarListenerTest {

  private static final ProcessMemory MEMORY =
      new ProcessMemory(OptionalLong.of(1_500_000_000L), OptionalLong.of(2_000_000_000L), 1);

  /** What stands on the screen after a run of four steps, line by line. */
  private static List<String> screen(int width) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    PrintStream out = new PrintStream(bytes, true, StandardCharsets.UTF_8);
    try (ProgressBarListener listener = new ProgressBarListener(out, width)) {
      listener.onStart(new RunInfo(0, 4, 1, 1200, 147_456, 22_861_056));
      for (int step = 1; step <= 4; step++) {
        listener.onStep(
            new StepReport(
                step, 4, step / 4.0, 0.4312, 1e-3, 1, 210.5, 9800, MEMORY, 10, 125 - step));
      }
      listener.onEvaluate(new EvalReport(4, 1, Map.of("accuracy", 0.875)));
      listener.onEnd(new RunSummary(4, 1, 0.5, 61, 205, 9700, MEMORY, false, OptionalInt.empty()));
    }
    List<String> lines = new ArrayList<>();
    for (String written : bytes.toString(StandardCharsets.UTF_8).split(System.lineSeparator())) {
      String line = "";
      for (String drawing : written.split("\r")) {
        line = drawing + line.substring(Math.min(line.length(), drawing.length()));
      }
      lines.add(line.stripTrailing());
    }
    return lines;
  }

  @Test
  void showsTheRun() {
    assertEquals(
        List.of(
            "Training 147,456 of 22,861,056 parameters (0.65 %) for 4 steps over 1,200 examples",
            "step 4, epoch 1.00: accuracy 0.8750",
            "100% [============================] 4/4 | loss 0.4312 | 2m01s left | 211 ex/s"
                + " | 9,800 tok/s | 1.50 GB",
            "Done after 4 steps in 1m01s: mean loss 0.5000, 205 examples/s, peak memory 2.00 GB"),
        screen(140));
  }

  @Test
  void leavesFiguresOutOfAShortLine() {
    String bar = screen(60).get(2);
    assertTrue(bar.length() <= 60, bar);
    assertTrue(bar.contains("| loss 0.4312 | 2m01s left"), bar);
    assertFalse(bar.contains("tok/s"), bar);
    assertEquals("100% [======] 4/4", screen(10).get(2));
  }

  @Test
  void stopsItsThreadWhenTheRunFails() {
    PrintStream out = new PrintStream(new ByteArrayOutputStream(), true, StandardCharsets.UTF_8);
    ProgressBarListener listener = new ProgressBarListener(out, 80);
    listener.onStart(new RunInfo(2, 4, 1, 1200, 1, 2));
    listener.close();
    listener.close();
    listener.onStart(new RunInfo(2, 4, 1, 1200, 1, 2));
    listener.close();
  }
}
