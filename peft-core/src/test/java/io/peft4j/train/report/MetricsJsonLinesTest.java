package io.peft4j.train.report;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class MetricsJsonLinesTest {

  @TempDir Path folder;

  private List<JsonNode> read(Path file) throws IOException {
    ObjectMapper json = new ObjectMapper();
    List<JsonNode> lines = new ArrayList<>();
    for (String line : Files.readAllLines(file)) {
      lines.add(json.readTree(line));
    }
    return lines;
  }

  @Test
  void writesTheKeysOfHuggingFacesTrainerLog() throws IOException {
    Path file = folder.resolve("new/metrics.jsonl");
    try (MetricsJsonLines metrics = new MetricsJsonLines(file)) {
      metrics.onStart(Reports.run(0, 5));
      metrics.onStep(Reports.step(1, 0.625));
      metrics.onEvaluate(new EvalReport(1, 0.002, Map.of("loss", 0.5)));
      metrics.onEnd(Reports.summary(5));
    }
    List<JsonNode> lines = read(file);
    assertEquals(3, lines.size());
    JsonNode step = lines.get(0);
    assertEquals(0.625, step.get("loss").doubleValue());
    assertEquals(1.75, step.get("grad_norm").doubleValue());
    assertEquals(1e-3, step.get("learning_rate").doubleValue());
    assertEquals(0.002, step.get("epoch").doubleValue());
    assertEquals(1, step.get("step").intValue());
    assertEquals(1_500_000_000L, step.get("rss_bytes").longValue());
    assertEquals("{\"eval_loss\":0.5,\"epoch\":0.002,\"step\":1}", Files.readAllLines(file).get(1));
    JsonNode end = lines.get(2);
    assertEquals(125.5, end.get("train_runtime").doubleValue());
    assertEquals(0.41, end.get("train_loss").doubleValue());
    assertEquals(205, end.get("train_samples_per_second").doubleValue());
    assertEquals(4, end.get("best_step").intValue());
    assertEquals(5, end.get("step").intValue());
  }

  @Test
  void eachLineIsInTheFileWhenItsEventIsOver() throws IOException {
    Path file = folder.resolve("metrics.jsonl");
    try (MetricsJsonLines metrics = new MetricsJsonLines(file)) {
      metrics.onStart(Reports.run(0, 5));
      assertEquals(0, read(file).size());
      for (int step = 1; step <= 3; step++) {
        metrics.onStep(Reports.step(step, 0.5));
        assertEquals(step, read(file).size());
      }
    }
  }

  @Test
  void whatIsNotFiniteStaysReadableJson() throws IOException {
    Path file = folder.resolve("metrics.jsonl");
    try (MetricsJsonLines metrics = new MetricsJsonLines(file)) {
      metrics.onStart(Reports.run(0, 5));
      metrics.onStep(Reports.step(1, Double.NaN));
      metrics.onStep(Reports.step(2, Double.POSITIVE_INFINITY));
    }
    assertEquals("NaN", read(file).get(0).get("loss").textValue());
    assertEquals("Infinity", read(file).get(1).get("loss").textValue());
  }

  @Test
  void resumingDropsLinesAfterTheStepAndACutOffLine() throws IOException {
    Path file = folder.resolve("metrics.jsonl");
    try (MetricsJsonLines metrics = new MetricsJsonLines(file)) {
      metrics.onStart(Reports.run(0, 5));
      for (int step = 1; step <= 4; step++) {
        metrics.onStep(Reports.step(step, step));
        metrics.onEvaluate(new EvalReport(step, 0, Map.of("loss", 0.5)));
      }
    }
    Files.writeString(file, "{\"loss\":0.1,\"st", StandardOpenOption.APPEND);
    try (MetricsJsonLines metrics = new MetricsJsonLines(file)) {
      metrics.onStart(Reports.run(2, 5));
      for (int step = 3; step <= 5; step++) {
        metrics.onStep(Reports.step(step, 10 + step));
      }
    }
    List<String> found = new ArrayList<>();
    for (JsonNode line : read(file)) {
      found.add(line.get("step") + ":" + line.path("loss").asText("eval"));
    }
    assertEquals(
        List.of("1:1.0", "1:eval", "2:2.0", "2:eval", "3:13.0", "4:14.0", "5:15.0"), found);
  }

  @Test
  void aNewRunReplacesTheFileAndAResumedOneMayFindNone() throws IOException {
    Path file = folder.resolve("metrics.jsonl");
    Files.writeString(file, "of another run\n");
    try (MetricsJsonLines metrics = new MetricsJsonLines(file)) {
      metrics.onStart(Reports.run(0, 5));
    }
    assertEquals("", Files.readString(file));
    Path absent = folder.resolve("absent.jsonl");
    try (MetricsJsonLines metrics = new MetricsJsonLines(absent)) {
      metrics.onStart(Reports.run(3, 5));
      metrics.onStep(Reports.step(4, 0.5));
    }
    assertEquals(1, read(absent).size());
  }

  @Test
  void aForeignLineIsNamedAndTheFileLeftAlone() throws IOException {
    Path file = folder.resolve("metrics.jsonl");
    for (String foreign : List.of("step 2: fine", "[1]", "{\"loss\":1}", "{\"step\":\"2\"}", "")) {
      String text = "{\"step\":1}\n" + foreign + "\n{\"step\":3}\n";
      Files.writeString(file, text);
      try (MetricsJsonLines metrics = new MetricsJsonLines(file)) {
        IOException thrown =
            assertThrows(IOException.class, () -> metrics.onStart(Reports.run(2, 5)));
        assertTrue(thrown.getMessage().contains(file + ", line 2"), thrown.getMessage());
      }
      assertEquals(text, Files.readString(file));
    }
  }

  @Test
  void anEventBeforeTheStartIsAnError() throws IOException {
    try (MetricsJsonLines metrics = new MetricsJsonLines(folder.resolve("metrics.jsonl"))) {
      assertThrows(IllegalStateException.class, () -> metrics.onStep(Reports.step(1, 1)));
    }
  }
}
