package io.peft4j.examples;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.peft4j.io.JsonFiles;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;

/** The whole of practice project 3, with the tiny golden models. */
class MultiTaskTest {

  private static final Path GOLDEN =
      Path.of("..", "peft-core", "src", "test", "resources", "golden");

  @TempDir private Path temp;

  private String run(int expected, String... arguments) {
    StringWriter out = new StringWriter();
    StringWriter err = new StringWriter();
    CommandLine command = MultiTask.commandLine();
    command.setOut(new PrintWriter(out, true)).setErr(new PrintWriter(err, true));
    assertEquals(expected, command.execute(arguments), () -> out + "\n" + err);
    return out + "\n" + err;
  }

  private List<String> small(Path output) {
    return new ArrayList<>(
        List.of(
            "--encoder=" + GOLDEN.resolve("encoders/bert"),
            "--decoder=" + GOLDEN.resolve("causal/llama"),
            "--output=" + output,
            "--rows=40",
            "--epochs=2",
            "--steps=3",
            "--rank=2",
            "--clients=1,3",
            "--requests=8",
            "--new-tokens=5"));
  }

  @Test
  void trainsServesAndReports() throws IOException {
    Path questions = temp.resolve("questions.label");
    List<String> rows = new ArrayList<>();
    for (int i = 0; i < 24; i++) {
      List<String> kinds = List.of("NUM:date When", "NUM:count How", "HUM:ind Who");
      rows.add(String.format(Locale.ROOT, "%s is %d ?", kinds.get(i % 3), i));
    }
    Files.write(questions, rows);
    Path output = temp.resolve("out");
    List<String> arguments = small(output);
    arguments.add("--questions=" + questions);
    String said = run(0, arguments.toArray(String[]::new));
    assertTrue(said.contains("The base is what it was"), said);

    JsonNode report = JsonFiles.read(output.resolve("report.json"));
    checkBase(report.path("encoder"), List.of("sentiment", "question", "question-fine"));
    checkBase(report.path("decoder"), List.of("answers", "code"));
    assertEquals(10, report.at("/encoder/tasks/sentiment/eval_examples").asInt());
    assertTrue(
        Files.readString(output.resolve("report.md")).contains("| question-fine | 18 | 6 |"));
    assertTrue(ImageIO.read(output.resolve("report.png").toFile()).getHeight() > 0);
    assertTrue(Files.exists(output.resolve("decoder-adapters/code/adapter_model.safetensors")));

    assertTrue(run(1, arguments.toArray(String[]::new)).contains("--overwrite"));
  }

  /** All keys, each served answer as its adapter by itself gives it, the base as it was. */
  private static void checkBase(JsonNode base, List<String> tasks) {
    assertTrue(base.path("unchanged").asBoolean(), base.toString());
    for (String key : List.of("sha256", "parameters_sha256")) {
      assertEquals(64, base.path(key).asText().length());
      assertEquals(base.path(key), base.path(key + "_after"));
    }
    List<String> found = new ArrayList<>();
    base.path("tasks").fieldNames().forEachRemaining(found::add);
    assertEquals(tasks, found);
    long adapters = 0;
    long models = 0;
    for (JsonNode task : base.path("tasks")) {
      assertTrue(task.path("answers_compared").asInt() > 0, task.toString());
      assertEquals(task.path("answers_compared"), task.path("answers_same"), task.toString());
      for (String key : List.of("before", "adapter", "full")) {
        assertTrue(task.path(key).isDouble() && Double.isFinite(task.path(key).asDouble()), key);
      }
      assertNotEquals(0, task.path("adapter_disk_bytes").asLong());
      assertTrue(
          task.path("adapter_memory_bytes").asLong() < task.path("model_memory_bytes").asLong());
      adapters += task.path("adapter_memory_bytes").asLong();
      models += task.path("model_memory_bytes").asLong();
    }
    JsonNode memory = base.path("memory_bytes");
    assertEquals(
        memory.path("base").asLong() + adapters, memory.path("base_and_adapters").asLong());
    assertEquals(models, memory.path("model_each").asLong());
    assertEquals(6, base.path("latency").size(), "three ways of serving at two loads");
    for (JsonNode each : base.path("latency")) {
      double p50 = each.path("p50_ms").asDouble();
      assertTrue(p50 > 0 && p50 <= each.path("p95_ms").asDouble(), each.toString());
      assertTrue(each.path("p95_ms").asDouble() <= each.path("p99_ms").asDouble());
    }
  }

  @Test
  void saysWhatIsMissing() {
    List<String> arguments = small(temp.resolve("none"));
    arguments.add("--questions=" + temp.resolve("absent.label"));
    assertTrue(run(1, arguments.toArray(String[]::new)).contains("absent.label"));
  }
}
