package io.peft4j.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** {@code train --method qlora} as a user runs it: classifiers, and a layer's ways to be run. */
class QloraTrainingTest {

  private static final Path GOLDEN =
      Path.of("..", "peft-core", "src", "test", "resources", "golden");
  private static final ObjectMapper JSON = new ObjectMapper();

  @TempDir private Path temp;

  private static PeftRun good(List<String> arguments, String... more) {
    List<String> all = new ArrayList<>(arguments);
    all.addAll(List.of(more));
    return PeftRun.good(all.toArray(String[]::new));
  }

  private List<JsonNode> predict(Path model, Path adapter, String... more) throws IOException {
    Path input = temp.resolve("input.jsonl");
    Files.write(input, List.of("{\"text\": \"the good film\"}", "{\"text\": \"a bad movie\"}"));
    Path output = temp.resolve("output.jsonl");
    List<String> arguments = List.of("predict", "--model", model.toString());
    List<String> files = new ArrayList<>(List.of("--adapter", adapter.toString()));
    files.addAll(List.of("--input", input.toString(), "--output", output.toString()));
    files.addAll(List.of(more));
    good(arguments, files.toArray(String[]::new));
    List<JsonNode> rows = new ArrayList<>();
    for (String line : Files.readAllLines(output)) {
      rows.add(JSON.readTree(line));
    }
    return rows;
  }

  /** Encoders and decoders, quantized before or on the way; predictions are the same. */
  @ParameterizedTest
  @CsvSource({
    "encoders/bert, false",
    "encoders/bert, true",
    "causal/llama, false",
    "causal/llama, true"
  })
  void classifiersAreTrainedAndPredict(String name, boolean stored) throws IOException {
    Path dense = GOLDEN.resolve(name);
    Path packed = temp.resolve("packed");
    good(
        List.of("quantize", "--model", dense.toString(), "--output", packed.toString()),
        "--quantization",
        "nf4",
        "--double-quant");
    Path adapter = temp.resolve("adapter");
    Path base = stored ? packed : dense;
    good(
        List.of("train", "--method", "qlora", "--model", base.toString(), "--max-steps", "40"),
        "--new-head",
        "--data",
        reviews().toString(),
        "--output",
        adapter.toString(),
        "--learning-rate",
        "1e-2",
        "--r",
        "8");
    assertFalse(Files.exists(adapter.resolve("model.safetensors")));
    List<JsonNode> found = stored ? predict(packed, adapter, "--bf16") : onTheWay(dense, adapter);
    assertEquals("pos", found.get(0).get("label").asText(), found.toString());
    assertEquals("neg", found.get(1).get("label").asText(), found.toString());
    // in float32 all around the packed products
    List<JsonNode> wide =
        stored
            ? predict(packed, adapter, "--quantization", "nf4", "--compute-dtype", "float32")
            : predict(dense, adapter, "--quantization", "nf4", "--double-quant");
    for (int row = 0; row < 2; row++) {
      assertEquals(found.get(row).get("label"), wide.get(row).get("label"));
      for (int i = 0; i < 2; i++) {
        double expected = wide.get(row).get("logits").get(i).asDouble();
        double logit = found.get(row).get("logits").get(i).asDouble();
        assertEquals(expected, logit, 0.03 * Math.max(1, Math.abs(expected)), name);
      }
    }
  }

  private Path reviews() throws IOException {
    List<String> rows = new ArrayList<>(List.of("sentence\tlabel"));
    for (int i = 0; i < 24; i++) {
      rows.add(i % 2 == 0 ? "the good film " + i + "\tpos" : "a bad movie " + i + "\tneg");
    }
    return Files.write(temp.resolve("data.tsv"), rows);
  }

  /** Methods that need not touch a projection, and several at once. */
  @ParameterizedTest
  @ValueSource(strings = {"bitfit", "mam", "lora,prefix-tuning,ln-tuning"})
  void otherMethodsOnPackedWeights(String method) throws IOException {
    Path base = GOLDEN.resolve("encoders/bert");
    Path adapter = temp.resolve("adapter");
    List<String> arguments = new ArrayList<>(List.of("train", "--method", method, "--new-head"));
    arguments.addAll(List.of("--model", base.toString(), "--data", reviews().toString()));
    arguments.addAll(List.of("--output", adapter.toString(), "--max-steps", "40"));
    good(arguments, "--quantization", "nf4", "--double-quant", "--learning-rate", "1e-2");
    List<JsonNode> found = predict(base, adapter, "--quantization", "nf4", "--double-quant");
    assertEquals("pos", found.get(0).get("label").asText(), found.toString());
    assertEquals("neg", found.get(1).get("label").asText(), found.toString());
  }

  private List<JsonNode> onTheWay(Path dense, Path adapter) throws IOException {
    return predict(dense, adapter, "--quantization", "nf4", "--double-quant", "--bf16");
  }

  /** Layers kept, run again, as many run again as a budget asks, or streamed: the same bytes. */
  @Test
  void howLayersAreRunDoesNotMatter() throws IOException {
    Path data = temp.resolve("texts.jsonl");
    List<String> rows = new ArrayList<>();
    for (int i = 0; i < 12; i++) {
      rows.add("{\"text\": \"" + "Rinse the probe. ".repeat(1 + i % 4) + "\"}");
    }
    Files.write(data, rows);
    String[][] ways = {
      {},
      {"--gradient-checkpointing"},
      {"--gradient-checkpointing", "auto", "--memory-budget", "1MB"},
      {"--gradient-checkpointing", "auto", "--memory-budget", "100GB"},
      {"--stream-layers"}
    };
    byte[] expected = null;
    for (int i = 0; i < ways.length; i++) {
      Path output = temp.resolve("way" + i);
      List<String> arguments = new ArrayList<>(List.of("train", "--task", "causal-lm"));
      arguments.addAll(List.of("--method", "qlora", "--lora-dropout", "0.1"));
      arguments.addAll(List.of("--model", GOLDEN.resolve("causal/llama").toString()));
      arguments.addAll(List.of("--data", data.toString(), "--output", output.toString()));
      arguments.addAll(List.of("--max-steps", "6", "--batch-size", "4", "--eval-split", "0"));
      arguments.addAll(List.of("--workers", "1")); // two, where they may be, add in another order
      good(arguments, ways[i]);
      byte[] found = Files.readAllBytes(output.resolve("adapter_model.safetensors"));
      expected = expected == null ? found : expected;
      assertArrayEquals(expected, found, String.join(" ", ways[i]));
    }
  }

  @Test
  void whatCannotBeTrainedOnPackedWeightsIsRefused() throws IOException {
    Path data = Files.write(temp.resolve("t.jsonl"), List.of("{\"text\": \"Rinse the probe.\"}"));
    Path output = temp.resolve("full");
    List<String> arguments = new ArrayList<>(List.of("train", "--task", "causal-lm"));
    arguments.addAll(List.of("--model", GOLDEN.resolve("causal/llama").toString()));
    arguments.addAll(List.of("--data", data.toString(), "--output", output.toString()));
    arguments.addAll(List.of("--method", "full", "--quantization", "nf4", "--eval-split", "0"));
    PeftRun run = PeftRun.of(arguments.toArray(String[]::new));
    assertEquals(2, run.code());
    assertTrue(run.err().contains("full fine-tuning needs dense weights"), run.err());
    assertFalse(Files.exists(output.resolve("config.json")), "half-written");
  }
}
