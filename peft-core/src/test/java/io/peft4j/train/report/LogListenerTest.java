package io.peft4j.train.report;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.slf4j.LoggerFactory;

class LogListenerTest {

  private final Logger logger = (Logger) LoggerFactory.getLogger(LogListener.class);
  private final ListAppender<ILoggingEvent> lines = new ListAppender<>();

  @BeforeEach
  void listen() {
    lines.start();
    logger.addAppender(lines);
    logger.setAdditive(false);
    logger.setLevel(Level.INFO);
  }

  @AfterEach
  void stopListening() {
    logger.detachAppender(lines);
    logger.setAdditive(true);
    logger.setLevel(null);
  }

  private List<String> messages() {
    return lines.list.stream().map(ILoggingEvent::getFormattedMessage).toList();
  }

  @Test
  void tellsARun() {
    LogListener log = new LogListener(100);
    log.onStart(Reports.run(0, 500));
    log.onStep(Reports.step(1, 0.75));
    log.onEvaluate(new EvalReport(1, 0.002, Map.of("accuracy", 0.875)));
    log.onEpoch(new EpochReport(1, 250, 0.5, 61));
    log.onCheckpoint(Path.of("out"), 250);
    log.onEnd(
        new RunSummary(300, 1.2, 0.41, 125.5, 205, 9700, Reports.MEMORY, true, OptionalInt.of(4)));
    assertEquals(
        List.of(
            "Training for 500 steps over 16,000 examples, 147,456 of 22,861,056 parameters trained"
                + " (0.65 %)",
            "step 1/500 | epoch 0.00 | loss 0.7500 | lr 1.0e-03 | 211 examples/s | 9,800 tokens/s"
                + " | 1.50 GB | 2m05s left",
            "evaluation after step 1 | accuracy 0.8750",
            "epoch 1 done in 1m01s | mean loss 0.5000",
            "checkpoint of step 250 saved in out",
            "Stopped early after 300 steps in 2m06s | mean loss 0.4100 | 205 examples/s | peak"
                + " memory 2.00 GB",
            "best evaluation after step 4"),
        messages());
  }

  @Test
  void aLineHoldsTheMeanLossSinceTheLineBefore() {
    LogListener log = new LogListener(4);
    for (int step = 1; step <= 8; step++) {
      log.onStep(Reports.step(step, step));
    }
    log.onStep(Reports.step(500, 42));
    assertEquals(
        List.of("1: 1.0000", "4: 3.0000", "8: 6.5000", "500: 42.0000"),
        messages().stream()
            .map(line -> line.replaceAll("step (\\d+)/.* loss ([0-9.]+) .*", "$1: $2"))
            .toList());
  }

  @Test
  void refusesAnEmptyInterval() {
    assertThrows(IllegalArgumentException.class, () -> new LogListener(0));
  }
}
