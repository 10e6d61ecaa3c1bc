package io.peft4j.train.report;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TensorBoardWriterTest {

  private static final Clock CLOCK =
      Clock.fixed(Instant.ofEpochMilli(1_700_000_000_250L), ZoneOffset.UTC);

  @TempDir Path folder;

  private List<Path> files() throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files.sorted().toList();
    }
  }

  /** What the golden script tells TensorBoard's own writer. */
  private void resumedRun(TensorBoardWriter writer) throws IOException {
    writer.onStart(Reports.run(300, 500));
    writer.onStep(Reports.step(301, 0.6, 0.625));
    writer.onEpoch(new EpochReport(1, 301, 0.71, 12));
    Map<String, Double> metrics = new LinkedHashMap<>();
    metrics.put("loss", 0.5);
    metrics.put("accuracy", 0.0);
    writer.onEvaluate(new EvalReport(301, 0.6, metrics));
    writer.onEnd(Reports.summary(301));
  }

  @Test
  void bytesEqualTensorBoardsOwnWriter() throws IOException {
    try (TensorBoardWriter writer = new TensorBoardWriter(folder, CLOCK)) {
      resumedRun(writer);
    }
    try (InputStream golden = getClass().getResourceAsStream("/golden/tensorboard/events.bin")) {
      assertArrayEquals(golden.readAllBytes(), Files.readAllBytes(files().get(0)));
    }
  }

  @Test
  void anIndependentReaderFindsEveryValue() throws IOException {
    try (TensorBoardWriter writer = new TensorBoardWriter(folder, CLOCK)) {
      writer.onStart(Reports.run(0, 500));
      for (int step = 1; step <= 300; step++) {
        writer.onStep(Reports.step(step, 1.0 / step));
      }
      writer.onStep(Reports.step(301, Double.NaN));
      writer.onEvaluate(new EvalReport(300, 0.6, Map.of("accuracy", 0.875)));
    }
    List<EventFileReader.Event> events = EventFileReader.read(files().get(0));
    assertEquals(303, events.size());
    assertEquals("brain.Event:2", events.get(0).fileVersion());
    for (int step = 1; step <= 300; step++) {
      EventFileReader.Event event = events.get(step);
      assertEquals(step, event.step());
      assertEquals(1_700_000_000.25, event.wallTime());
      assertEquals((float) (1.0 / step), event.scalars().get("train/loss"));
      assertEquals(1e-3f, event.scalars().get("train/learning_rate"));
      assertEquals(1.75f, event.scalars().get("train/grad_norm"));
    }
    assertTrue(events.get(301).scalars().get("train/loss").isNaN());
    assertEquals(Map.of("eval/accuracy", 0.875f), events.get(302).scalars());
  }

  @Test
  void aResumedRunVoidsLaterEventsInANewFile() throws IOException {
    try (TensorBoardWriter writer = new TensorBoardWriter(folder, CLOCK)) {
      writer.onStart(Reports.run(0, 500));
      writer.onStep(Reports.step(1, 1));
      writer.onStart(Reports.run(7, 500));
      writer.onStep(Reports.step(8, 1));
    }
    List<Path> files = files();
    assertEquals(2, files.size());
    String name = files.get(0).getFileName().toString();
    assertTrue(
        name.matches(
            "events\\.out\\.tfevents\\.1700000000\\.[A-Za-z0-9.-]+\\."
                + ProcessHandle.current().pid()
                + "\\.0"),
        name);
    EventFileReader.Event second = EventFileReader.read(files.get(1)).get(1);
    assertEquals(1, second.status());
    assertEquals(8, second.step());
  }

  @Test
  void whatWasNotMeasuredIsLeftOut() throws IOException {
    StepReport step =
        new StepReport(
            1,
            5,
            0.1,
            0.5,
            1e-3,
            Double.NaN,
            1,
            1,
            new ProcessMemory(OptionalLong.empty(), OptionalLong.empty(), 1),
            1,
            4);
    try (TensorBoardWriter writer = new TensorBoardWriter(folder)) {
      writer.onStart(Reports.run(0, 5));
      writer.onStep(step);
    }
    Map<String, Float> scalars = EventFileReader.read(files().get(0)).get(1).scalars();
    assertFalse(scalars.containsKey("train/grad_norm"));
    assertFalse(scalars.containsKey("train/rss_gb"));
    assertTrue(scalars.containsKey("train/loss"));
  }

  @Test
  void checksumsEqualPublishedVectors() {
    // RFC 3720, B.4, and the check value of the CRC catalogues
    byte[] ones = new byte[32];
    Arrays.fill(ones, (byte) 0xff);
    assertChecksum(0x8a9136aa, new byte[32]);
    assertChecksum(0x62a8ab43, ones);
    assertChecksum(0xe3069283, "123456789".getBytes(StandardCharsets.US_ASCII));
  }

  private static void assertChecksum(int crc, byte[] data) {
    int masked = Integer.rotateRight(crc, 15) + 0xa282ead8;
    assertEquals(crc, EventFileReader.crc32c(data, 0, data.length));
    assertEquals(masked, EventFileReader.maskedCrc(data, 0, data.length));
    assertEquals(masked, EventRecords.maskedCrc(data, 0, data.length));
  }

  @Test
  void aFolderThatCannotBeMadeIsAnError() throws IOException {
    Path file = Files.writeString(folder.resolve("file"), "");
    try (TensorBoardWriter writer = new TensorBoardWriter(file.resolve("logs"))) {
      assertThrows(IOException.class, () -> writer.onStart(Reports.run(0, 5)));
      assertThrows(IllegalStateException.class, () -> writer.onStep(Reports.step(1, 1)));
    }
  }
}
