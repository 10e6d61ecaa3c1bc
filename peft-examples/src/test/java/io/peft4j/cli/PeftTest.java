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
import java.util.Locale;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The commands, run as a user runs them, on the tiny golden BERT. */
class PeftTest {

  private static final Path MODEL =
      Path.of("..", "peft-core", "src", "test", "resources", "golden", "encoders", "bert");
  private static final ObjectMapper JSON = new ObjectMapper();

  @TempDir Path temp;
  private Path data;
  private Path input;

  @BeforeEach
  void writeData() throws IOException {
    data = temp.resolve("data.tsv");
    List<String> rows = new ArrayList<>(List.of("sentence\tlabel"));
    for (int i = 0; i < 24; i++) {
      rows.add(i % 2 == 0 ? "the good film " + i + "\tpos" : "a bad movie " + i + "\tneg");
    }
    Files.write(data, rows);
    input = temp.resolve("input.jsonl");
    Files.write(
        input,
        List.of(
            "{\"text\": \"the good film\"}",
            "{\"input_ids\": [2, 16, 32, 85, 3]}",
            "{\"text\": \"a bad movie\", \"text_pair\": \"the film\"}"));
  }

  private PeftRun train(Path output, String... more) {
    List<String> arguments =
        new ArrayList<>(
            List.of(
                "train",
                "--model",
                MODEL.toString(),
                "--data",
                data.toString(),
                "--output",
                output.toString(),
                "--max-steps",
                "4",
                "--learning-rate",
                "1e-2",
                "--new-head"));
    arguments.addAll(List.of(more));
    return PeftRun.of(arguments.toArray(String[]::new));
  }

  private static float[][] logits(Path file) throws IOException {
    List<String> lines = Files.readAllLines(file);
    float[][] logits = new float[lines.size()][];
    for (int i = 0; i < logits.length; i++) {
      JsonNode row = JSON.readTree(lines.get(i)).get("logits");
      logits[i] = new float[row.size()];
      for (int j = 0; j < logits[i].length; j++) {
        logits[i][j] = (float) row.get(j).asDouble();
      }
    }
    return logits;
  }

  @ParameterizedTest
  @CsvSource({
    "ia3, true",
    "vera, true",
    "loha, true",
    "lokr, true",
    "adalora, true",
    "ln-tuning, true",
    "bitfit, true",
    "prefix-tuning, false",
    "prompt-tuning, false",
    "p-tuning, false",
    "bottleneck, false",
    "houlsby, false",
    "mam, false",
    "unipelt, false",
    "'lora,ia3', true"
  })
  void everyMethodIsTrainedUsedAndInspected(String method, boolean mergeable) throws IOException {
    Path adapter = temp.resolve("adapter");
    String[] short3 =
        method.matches("p.*-tuning|mam|unipelt")
            ? new String[] {"--num-virtual-tokens", "3"}
            : new String[0];
    PeftRun trained = train(adapter, with(new String[] {"--method", method}, (Object[]) short3));
    assertEquals(0, trained.code(), trained.err());
    Path adapted = temp.resolve("adapted.jsonl");
    Path plain = temp.resolve("plain.jsonl");
    String[] predict = {"predict", "--model", MODEL.toString(), "--input", input.toString()};
    PeftRun result =
        PeftRun.of(with(predict, "--adapter", adapter.toString(), "--output", adapted));
    assertEquals(0, result.code(), result.err());
    assertEquals(3, logits(adapted).length);
    Path merged = temp.resolve("merged");
    result =
        PeftRun.of(
            with(
                new String[] {"merge", "--model", MODEL.toString()},
                "--adapter",
                adapter.toString(),
                "--output",
                merged));
    assertEquals(mergeable, result.code() == 0, result.err());
    if (mergeable) {
      predict[2] = merged.toString();
      assertEquals(0, PeftRun.of(with(predict, "--output", plain)).code());
      float[][] expected = logits(adapted);
      float[][] found = logits(plain);
      for (int i = 0; i < found.length; i++) {
        assertArrayEquals(expected[i], found[i], 1e-4f);
      }
    } else {
      assertTrue(result.err().contains("cannot be merged"), result.err());
    }
    result = PeftRun.of("inspect", "--adapter", adapter.toString());
    assertEquals(0, result.code(), result.err());
    result = PeftRun.of("inspect", "--model", MODEL.toString(), "--targets", "--method", method);
    assertEquals(0, result.code(), result.err());
    assertTrue(result.out().contains("trainable_parameters"), result.out());
  }

  private static String[] with(String[] arguments, Object... more) {
    List<String> all = new ArrayList<>(List.of(arguments));
    for (Object argument : more) {
      all.add(argument.toString());
    }
    return all.toArray(String[]::new);
  }

  @Test
  void aMethodsSettingsComeFromAFile() throws IOException {
    Path settings = temp.resolve("method.json");
    Files.writeString(settings, "{\"r\": 3, \"target_modules\": [\"key\"]}");
    Path output = temp.resolve("adapter");
    PeftRun result = train(output, "--method", "loha", "--method-config", settings.toString());
    assertEquals(0, result.code(), result.err());
    JsonNode config = JSON.readTree(output.resolve("adapter_config.json").toFile());
    assertEquals(3, config.get("r").asInt());
    assertEquals("[\"key\"]", config.get("target_modules").toString());
    Files.writeString(settings, "{\"rank\": 3}");
    refused(
        train(temp.resolve("x"), "--method", "loha", "--method-config", settings.toString()),
        temp.resolve("x"),
        "'rank' is no setting of loha");
    refused(
        train(temp.resolve("x"), "--method", "lorra"),
        temp.resolve("x"),
        "expected lora, qlora",
        "found lorra");
  }

  @Test
  void aPromptMayStartAsAText() throws IOException {
    Path settings = temp.resolve("method.json");
    Files.writeString(
        settings,
        "{\"prompt_tuning_init\": \"TEXT\", \"prompt_tuning_init_text\": \"the good film\"}");
    Path output = temp.resolve("adapter");
    PeftRun result =
        train(output, "--method", "prompt-tuning", "--method-config", settings.toString());
    assertEquals(0, result.code(), result.err());
  }

  @Test
  void trainPredictMergeAndPredictAgain() throws IOException {
    Path adapter = temp.resolve("adapter");
    PeftRun trained = train(adapter, "--use-dora", "--target-modules", "all-linear");
    assertEquals(0, trained.code(), trained.err());
    assertTrue(trained.out().contains("held out: {loss="), trained.out());
    for (String file :
        List.of(
            "adapter_config.json", "adapter_model.safetensors", "config.json", "metrics.jsonl")) {
      assertTrue(Files.exists(adapter.resolve(file)), file);
    }
    assertEquals(
        "neg", JSON.readTree(adapter.resolve("config.json").toFile()).at("/id2label/0").asText());

    Path predicted = temp.resolve("predicted.jsonl");
    PeftRun result =
        PeftRun.of(
            "predict",
            "--model",
            MODEL.toString(),
            "--adapter",
            adapter.toString(),
            "--input",
            input.toString(),
            "--output",
            predicted.toString());
    assertEquals(0, result.code(), result.err());
    float[][] adapted = logits(predicted);
    assertEquals(3, adapted.length);
    JsonNode first = JSON.readTree(Files.readAllLines(predicted).get(0));
    assertEquals(adapted[0][0] > adapted[0][1] ? "neg" : "pos", first.get("label").asText());

    Path merged = temp.resolve("merged");
    result =
        PeftRun.of(
            "merge",
            "--model",
            MODEL.toString(),
            "--adapter",
            adapter.toString(),
            "--output",
            merged.toString());
    assertEquals(0, result.code(), result.err());
    result =
        PeftRun.of(
            "predict",
            "--model",
            merged.toString(),
            "--input",
            input.toString(),
            "--output",
            predicted.toString());
    assertEquals(0, result.code(), result.err());
    float[][] plain = logits(predicted);
    for (int i = 0; i < plain.length; i++) {
      for (int j = 0; j < plain[i].length; j++) {
        assertEquals(adapted[i][j], plain[i][j], 1e-4f);
      }
    }
  }

  @Test
  void flagsOverrideTheConfigFile() throws IOException {
    Path config = temp.resolve("run.yaml");
    Files.writeString(
        config,
        String.format(
            Locale.ROOT,
            "model: %s\ndata: %s\noutput: %s\nmax_steps: 9\nrank: 3\ntarget_modules: [query, key]\nnew_head: true\n",
            MODEL,
            data,
            temp.resolve("out")));
    PeftRun result =
        PeftRun.of("train", "--config", config.toString(), "--max_steps", "2", "--json");
    assertEquals(0, result.code(), result.err());
    List<JsonNode> events = new ArrayList<>();
    for (String line : result.out().lines().toList()) {
      events.add(JSON.readTree(line));
    }
    assertEquals("data", events.get(0).get("event").asText());
    assertEquals("start", events.get(1).get("event").asText());
    assertEquals(2, events.get(1).get("total_steps").asInt());
    assertEquals(2, events.stream().filter(e -> e.get("event").asText().equals("step")).count());
    JsonNode written = JSON.readTree(temp.resolve("out/adapter_config.json").toFile());
    assertEquals(3, written.get("r").asInt());
    assertEquals("[\"query\",\"key\"]", written.get("target_modules").toString());

    Files.writeString(config, "lerning_rate: 1\n");
    result = PeftRun.of("train", "--config", config.toString());
    assertEquals(2, result.code());
    assertTrue(result.err().contains("'lerning_rate' is no option"), result.err());
  }

  @Test
  void inspectSaysWhatIsThereAndWhatWouldBeAdapted() throws IOException {
    Path adapter = temp.resolve("adapter");
    assertEquals(0, train(adapter).code());
    PeftRun result =
        PeftRun.of(
            "inspect",
            "--model",
            MODEL.toString(),
            "--adapter",
            adapter.toString(),
            "--targets",
            "--target-modules",
            "query",
            "--json");
    assertEquals(0, result.code(), result.err());
    JsonNode found = JSON.readTree(result.out());
    assertEquals("bert", found.at("/model/model_type").asText());
    assertEquals(2, found.at("/model/targets").size());
    assertEquals("LORA", found.at("/adapter/config/peft_type").asText());

    result =
        PeftRun.of(
            "inspect", "--model", MODEL.toString(), "--targets", "--target-modules", "querry");
    assertEquals(2, result.code());
    assertTrue(result.err().contains("near: attention.self.query"), result.err());
  }

  private void refused(PeftRun result, Path output, String... parts) throws IOException {
    assertEquals(2, result.code(), result.err());
    for (String part : parts) {
      assertTrue(result.err().contains(part), result.err());
    }
    assertEquals(1, result.err().lines().count(), "one sentence: " + result.err());
    assertFalse(Files.exists(output.resolve("adapter_model.safetensors")));
    assertFalse(Files.exists(output.resolve("adapter_config.json")));
  }

  @Test
  void badInputIsRefusedInOneSentence() throws IOException {
    Path output = temp.resolve("never");
    Files.writeString(data, "words\tlabel\nthe film\tpos\n");
    refused(train(output), output, "data.tsv", "text");
    Files.writeString(data, "sentence\tlabel\n");
    refused(train(output), output, "data.tsv");
    Files.write(
        data, new byte[] {'t', 'e', 'x', 't', '\t', 'l', 'a', 'b', 'e', 'l', '\n', (byte) 0xff});
    refused(train(output), output, "data.tsv", "UTF-8");
    writeData();
    Path eval = temp.resolve("eval.tsv");
    Files.writeString(eval, "sentence\tlabel\nthe film\tmeh\n");
    refused(train(output, "--eval-data", eval.toString()), output, "eval.tsv:2", "meh", "neg, pos");
    refused(train(output, "--target-modules", "nothing"), output, "names nothing in the model");

    Path other = temp.resolve("other");
    Files.createDirectories(other);
    Files.writeString(other.resolve("config.json"), "{\"model_type\": \"mamba\"}");
    PeftRun result =
        PeftRun.of(
            "train",
            "--model",
            other.toString(),
            "--data",
            data.toString(),
            "--output",
            output.toString());
    refused(result, output, "config.json", "mamba");
  }

  @Test
  void predictLeavesNothingHalfWritten() throws IOException {
    Path output = temp.resolve("predicted.jsonl");
    for (String line : List.of("{\"text\": 1}", "not json", "{\"input_ids\": [99999]}")) {
      Files.write(input, List.of("{\"text\": \"the film\"}", line));
      PeftRun result =
          PeftRun.of(
              "predict",
              "--model",
              MODEL.toString(),
              "--input",
              input.toString(),
              "--output",
              output.toString());
      assertEquals(2, result.code(), result.err());
      assertTrue(result.err().contains("input.jsonl:2"), result.err());
      assertFalse(Files.exists(output));
    }
    try (Stream<Path> left = Files.list(temp)) {
      assertTrue(left.noneMatch(path -> path.toString().endsWith(".tmp")));
    }
  }

  @Test
  void anAdapterForAnotherModelIsRefused() throws IOException {
    Path adapter = temp.resolve("adapter");
    assertEquals(0, train(adapter).code());
    PeftRun result =
        PeftRun.of(
            "predict",
            "--model",
            MODEL.resolveSibling("distilbert").toString(),
            "--adapter",
            adapter.toString(),
            "--input",
            input.toString(),
            "--output",
            temp.resolve("x").toString());
    assertEquals(2, result.code());
    assertTrue(result.err().contains("was trained on a base with SHA-256"), result.err());
  }
}
