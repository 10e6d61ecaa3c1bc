package io.peft4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.slf4j.LoggerFactory;

/** Training, scoring and generating with the tiny golden language model, as a user does. */
class CausalCommandsTest {

  private static final Path GOLDEN =
      Path.of("..", "peft-core", "src", "test", "resources", "golden", "causal");
  private static final String MODEL = GOLDEN.resolve("llama").toString();
  private static final ObjectMapper JSON = new ObjectMapper();

  @TempDir private Path temp;

  private Path file(String name, String... lines) throws IOException {
    return Files.write(temp.resolve(name), List.of(lines));
  }

  private static JsonNode golden() throws IOException {
    return JSON.readTree(GOLDEN.resolve("golden.json").toFile());
  }

  private static List<JsonNode> lines(Path file) throws IOException {
    List<JsonNode> rows = new ArrayList<>();
    for (String line : Files.readAllLines(file)) {
      rows.add(JSON.readTree(line));
    }
    return rows;
  }

  @Test
  void scoresAreTransformers() throws IOException {
    JsonNode rows = golden().get("rows");
    Path input =
        file(
            "in.jsonl",
            rows.get(0).get("row").toString(),
            rows.get(1).get("row").toString(),
            rows.get(2).get("row").toString(),
            "{\"input_ids\": " + rows.get(3).get("ids") + "}",
            "{\"input_ids\": [5]}");
    for (String key : List.of("log_probs", "adapted")) {
      Path output = temp.resolve(key);
      List<String> arguments =
          new ArrayList<>(List.of("score", "--model", MODEL, "--batch-size", "2"));
      arguments.addAll(List.of("--input", input.toString(), "--output", output.toString()));
      if (key.equals("adapted")) {
        arguments.addAll(List.of("--adapter", GOLDEN.resolve("adapter").toString()));
      }
      PeftRun.good(arguments.toArray(String[]::new));
      List<JsonNode> found = lines(output);
      assertEquals(5, found.size());
      for (int i = 0; i < 3; i++) {
        JsonNode expected = rows.get(i).get(key); // with the end token, which score does not add
        JsonNode logProbs = found.get(i).get("token_logprobs");
        assertEquals(expected.size() - 1, logProbs.size());
        assertEquals(logProbs.size(), found.get(i).get("tokens").asInt());
        double sum = 0;
        for (int t = 0; t < logProbs.size(); t++) {
          assertEquals(expected.get(t).asDouble(), logProbs.get(t).asDouble(), 1e-4);
          sum -= logProbs.get(t).asDouble();
        }
        assertEquals(sum, found.get(i).get("nll").asDouble(), 1e-4);
      }
      assertEquals(rows.get(3).get("ids").size() - 1, found.get(3).get("tokens").asInt());
      assertEquals(0, found.get(4).get("tokens").asInt());
    }
  }

  @Test
  void trainsOnConversationsAndAnswers() throws IOException {
    Path data =
        file(
            "chats.jsonl",
            "{\"messages\": [{\"role\": \"user\", \"content\": \"Alarm?\"},"
                + " {\"role\": \"assistant\", \"content\": \"Clean the probe.\"}]}",
            "{\"instruction\": \"Fails?\", \"input\": \"\", \"output\": \"Start again.\"}",
            "{\"prompt\": \"The probe\", \"completion\": \" is blocked.\"}",
            "{\"text\": \"" + "A calibration takes two minutes. ".repeat(12) + "\"}");
    Path adapter = temp.resolve("adapter");
    List<String> arguments =
        List.of("train", "--task", "causal-lm", "--model", MODEL, "--data", data.toString());
    List<String> more =
        List.of(
            "--output",
            adapter.toString(),
            "--eval-data",
            data.toString(),
            "--max-steps",
            "120",
            "--learning-rate",
            "2e-2",
            "--target-modules",
            "all-linear",
            "--max-length",
            "48",
            "--loraplus-lr-ratio",
            "2",
            "--r",
            "16",
            "--json");
    List<String> all = new ArrayList<>(arguments);
    all.addAll(more);
    PeftRun trained = PeftRun.good(all.toArray(String[]::new));
    String[] events = trained.out().split("\n");
    JsonNode about = JSON.readTree(events[0]);
    assertEquals("data", about.get("event").asText());
    assertEquals(2, about.get("cut_examples").asInt(), events[0]); // in both files
    assertTrue(about.get("cut_tokens").asInt() > 0, events[0]);
    double perplexity = Double.MAX_VALUE;
    for (String event : events) {
      perplexity = JSON.readTree(event).path("eval_perplexity").asDouble(perplexity);
    }
    // the frozen head of a narrow random model lets it fall no lower than about 14
    assertTrue(perplexity < 20, "perplexity " + perplexity);
    assertEquals(
        "CAUSAL_LM",
        JSON.readTree(adapter.resolve("adapter_config.json").toFile()).get("task_type").asText());
    assertFalse(Files.exists(adapter.resolve("config.json")));

    PeftRun answered =
        PeftRun.good(
            "generate",
            "--model",
            MODEL,
            "--adapter",
            adapter.toString(),
            "--chat",
            "--prompt",
            "Alarm?",
            "--max-new-tokens",
            "30",
            "--stop",
            "<|im_end|>");
    assertTrue(answered.out().startsWith("Clean the probe."), answered.out());
  }

  @Test
  void fullFineTuningGivesAModelThatGenerates() throws IOException {
    Path data = file("texts.jsonl", "{\"text\": \"Rinse the probe before every run.\"}");
    Path output = temp.resolve("full");
    PeftRun trained =
        PeftRun.good(
            "train",
            "--task",
            "causal-lm",
            "--method",
            "full",
            "--model",
            MODEL,
            "--data",
            data.toString(),
            "--eval-split",
            "0",
            "--output",
            output.toString(),
            "--max-steps",
            "60",
            "--learning-rate",
            "1e-2");
    assertTrue(trained.out().contains("saved in"), trained.out());
    PeftRun said =
        PeftRun.good(
            "generate",
            "--model",
            output.toString(),
            "--prompt",
            "Rinse",
            "--max-new-tokens",
            "20");
    assertEquals("the probe before every run.", said.out().strip());
  }

  @Test
  void whatIsGeneratedDoesNotDependOnTheBatch() throws IOException {
    Path input =
        file(
            "prompts.jsonl",
            "{\"prompt\": \"The\"}",
            "{\"prompt\": \"What does the alarm mean?\"}",
            "{\"messages\": [{\"role\": \"user\", \"content\": \"Twice\"}]}",
            "{\"input_ids\": [0, 40, 41]}");
    List<String> outputs = new ArrayList<>();
    for (String batch : List.of("1", "4", "3")) {
      Path output = temp.resolve("out" + batch);
      PeftRun.good(
          "generate",
          "--model",
          MODEL,
          "--input",
          input.toString(),
          "--output",
          output.toString(),
          "--batch-size",
          batch,
          "--temperature",
          "0.8",
          "--top-k",
          "40",
          "--top-p",
          "0.95",
          "--min-p",
          "0.01",
          "--repetition-penalty",
          "1.1",
          "--seed",
          "7",
          "--max-new-tokens",
          "12");
      outputs.add(Files.readString(output));
    }
    assertEquals(outputs.get(0), outputs.get(1));
    assertEquals(outputs.get(0), outputs.get(2));
    assertEquals(4, outputs.get(0).lines().count());
  }

  @Test
  void streamsAsJson() throws IOException {
    PeftRun result =
        PeftRun.good(
            "generate",
            "--model",
            MODEL,
            "--prompt",
            "The",
            "--prompt",
            "Rinse the",
            "--json",
            "--stream",
            "--greedy",
            "--max-new-tokens",
            "6");
    StringBuilder[] pieces = {new StringBuilder(), new StringBuilder()};
    for (String line : result.out().split("\n")) {
      JsonNode event = JSON.readTree(line);
      if (event.get("event").asText().equals("token")) {
        pieces[event.get("prompt").asInt()].append(event.get("text").asText());
      } else {
        assertEquals("result", event.get("event").asText());
        assertEquals(pieces[event.get("prompt").asInt()].toString(), event.get("text").asText());
        assertEquals("length", event.get("finish").asText());
      }
    }
  }

  /** Rows to be answered are held to what rows to be learnt are: no key goes unread in silence. */
  @Test
  void namesTheKeysOfRowsThatAreNotUsed(@TempDir Path folder) throws IOException {
    Path rows = folder.resolve("rows.jsonl");
    Path answers = folder.resolve("answers.jsonl");
    Logger logger = (Logger) LoggerFactory.getLogger("io.peft4j.data.RowKeys");
    ListAppender<ILoggingEvent> seen = new ListAppender<>();
    seen.start();
    logger.addAppender(seen);
    try {
      Files.writeString(
          rows, "{\"prompt\": \"The\", \"tools\": [1]}\n{\"input_ids\": [1], \"id\": 1}\n");
      PeftRun.good(
          "generate", "--model", MODEL, "--input", rows.toString(), "--max-new-tokens", "1");
      Files.writeString(rows, "{\"text\": \"The cat sat\", \"system\": \"s\", \"x\": null}\n");
      PeftRun.good(
          "score", "--model", MODEL, "--input", rows.toString(), "--output", answers.toString());
      assertEquals(
          List.of(
              rows
                  + ": not used: 'id' (1 rows, first in line 2), 'tools' (1 rows, first in line 1)",
              rows + ": not used: 'system' (1 rows, first in line 1)"),
          seen.list.stream().map(ILoggingEvent::getFormattedMessage).toList());
    } finally {
      logger.detachAppender(seen);
    }
  }

  private static String generated(String... more) {
    List<String> arguments = new ArrayList<>(List.of("generate", "--prompt", "The alarm"));
    arguments.addAll(List.of(more));
    return PeftRun.good(arguments.toArray(String[]::new)).out();
  }

  /** What a folder recommends is followed, and options go before it. */
  @Test
  void followsGenerationConfig() throws IOException {
    Path folder = copyOfModel();
    String model = folder.toString();
    String plain = generated("--model", model, "--json", "--max-new-tokens", "12");
    assertEquals(12, JSON.readTree(plain).get("tokens").asInt());
    Path file = folder.resolve("generation_config.json");
    Files.writeString(file, "{\"max_length\": 9, \"temperature\": 0.0, \"top_k\": -1}");
    JsonNode limited = JSON.readTree(generated("--model", model, "--json"));
    assertTrue(limited.get("tokens").asInt() < 9, limited.toString());
    assertEquals(plain, generated("--model", model, "--json", "--max-new-tokens", "12"));
    Files.writeString(file, "{\"no_repeat_ngram_size\": 1, \"max_new_tokens\": 12}");
    String varied = generated("--model", model, "--json");
    assertEquals(
        varied,
        generated(
            "--model",
            MODEL,
            "--json",
            "--max-new-tokens",
            "12",
            "--generation",
            "no_repeat_ngram_size=1"));
    assertFalse(varied.equals(plain));
    Files.writeString(file, "{\"num_beams\": 3}");
    PeftRun refused = PeftRun.of("generate", "--model", model, "--prompt", "The");
    assertTrue(refused.err().contains("generation_config.json: num_beams: expected 1"));
    generated("--model", model, "--generation", "num_beams=1");
    PeftRun unknown =
        PeftRun.of("generate", "--model", MODEL, "--prompt", "a", "--generation", "top_n=1");
    assertTrue(unknown.err().contains("top_n: transformers' GenerationConfig"), unknown.err());
    String[] drawn =
        generated("--model", MODEL, "--do-sample", "--num-return-sequences", "3", "--json")
            .split("\n");
    assertEquals(3, drawn.length);
    assertEquals(2, JSON.readTree(drawn[2]).get("sequence").asInt());
  }

  /** What a row gives the template besides messages reaches it, as in training. */
  @Test
  void toolsReachTheTemplate() throws IOException {
    Path model = copyOfModel();
    Files.writeString(
        model.resolve("chat_template.jinja"),
        "{% if not tools %}{{ raise_exception('NO TOOLS') }}{% endif %}"
            + "{{ bos_token }}{{ messages[0].content }}{{ tools[0].function.name }}");
    String row = "\"messages\": [{\"role\": \"user\", \"content\": \"The alarm\"}]";
    Path input =
        file(
            "tools.jsonl",
            "{" + row + ", \"tools\": [{\"function\": {\"name\": \" of the probe\"}}]}",
            "{\"prompt\": \"The alarm of the probe\"}");
    Path output = temp.resolve("tools.out");
    List<String> arguments = List.of("generate", "--model", model.toString(), "--output");
    List<String> all = new ArrayList<>(arguments);
    all.addAll(List.of(output.toString(), "--input", input.toString()));
    PeftRun.good(all.toArray(String[]::new));
    assertEquals(lines(output).get(1), lines(output).get(0));

    Path without = file("without.jsonl", "{" + row + "}");
    all.set(all.size() - 1, without.toString());
    PeftRun refused = PeftRun.of(all.toArray(String[]::new));
    assertTrue(refused.err().contains("without.jsonl:1: "), refused.err());
    assertTrue(refused.err().contains("NO TOOLS"), refused.err());
  }

  private Path copyOfModel() throws IOException {
    Path folder = Files.createDirectories(temp.resolve("model"));
    try (var files = Files.list(Path.of(MODEL))) {
      for (Path file : files.toList()) {
        Files.copy(file, folder.resolve(file.getFileName()));
      }
    }
    return folder;
  }

  /** An adapter's tokenizer and template go before the base's, and with what is merged. */
  @Test
  void anAdapterBringsItsTemplate() throws IOException {
    Path model = copyOfModel();
    Path data = file("short.jsonl", "{\"text\": \"Rinse the probe.\"}");
    Path adapter = temp.resolve("adapter");
    PeftRun.good(
        "train",
        "--task",
        "causal-lm",
        "--model",
        MODEL,
        "--data",
        data.toString(),
        "--output",
        adapter.toString(),
        "--max-steps",
        "1",
        "--eval-split",
        "0",
        "--json");
    for (String name : List.of("tokenizer.json", "tokenizer_config.json")) {
      assertEquals(-1, Files.mismatch(model.resolve(name), adapter.resolve(name)), name);
    }
    Files.writeString(
        adapter.resolve("chat_template.jinja"), "The alarm {{ messages[0].content }}");
    Files.writeString(model.resolve("chat_template.jinja"), "{{ raise_exception('BASE') }}");
    String[] chat = {"--chat", "--prompt", "means", "--json"};
    List<String> arguments = new ArrayList<>(List.of("generate", "--model", model.toString()));
    arguments.addAll(List.of(chat));
    arguments.addAll(List.of("--adapter", adapter.toString()));
    String answered = PeftRun.good(arguments.toArray(String[]::new)).out();

    Path merged = temp.resolve("merged");
    PeftRun.good(
        "merge",
        "--model",
        model.toString(),
        "--adapter",
        adapter.toString(),
        "--output",
        merged.toString());
    assertEquals(
        Files.readString(adapter.resolve("chat_template.jinja")),
        Files.readString(merged.resolve("chat_template.jinja")));
    arguments = new ArrayList<>(List.of("generate", "--model", merged.toString()));
    arguments.addAll(List.of(chat));
    assertEquals(answered, PeftRun.good(arguments.toArray(String[]::new)).out());
  }

  @Test
  void whatIsWrongIsSaidInOneSentence() throws IOException {
    Path longPrompt =
        file("long.jsonl", "{\"prompt\": \"The\"}", "{\"prompt\": \"" + "x ".repeat(200) + "\"}");
    Path out = temp.resolve("out.jsonl");
    String[][] cases = {
      {
        "long.jsonl:2: the prompt has",
        "generate",
        "--model",
        MODEL,
        "--input",
        longPrompt.toString()
      },
      {"expected either --prompt or --input", "generate", "--model", MODEL},
      {
        "--greedy draws nothing",
        "generate",
        "--model",
        MODEL,
        "--prompt",
        "a",
        "--greedy",
        "--top-k",
        "3"
      },
      {
        "top_p: expected in [0, 1]", "generate", "--model", MODEL, "--prompt", "a", "--top-p", "1.5"
      },
      {
        "messages.jsonl:1: 'messages' should be a list",
        "generate",
        "--model",
        MODEL,
        "--input",
        file("messages.jsonl", "{\"messages\": 5}").toString()
      },
      {
        "score.jsonl:1: 'input_ids': expected 0 to 383, found 900",
        "score",
        "--model",
        MODEL,
        "--output",
        out.toString(),
        "--input",
        file("score.jsonl", "{\"input_ids\": [900]}").toString()
      },
      {
        "score2.jsonl:2: no 'completion'",
        "score",
        "--model",
        MODEL,
        "--output",
        out.toString(),
        "--input",
        file("score2.jsonl", "{\"text\": \"a\"}", "{\"prompt\": \"a\"}").toString()
      },
      {
        "rows.jsonl:1: no 'output'",
        "train",
        "--task",
        "causal-lm",
        "--model",
        MODEL,
        "--output",
        temp.resolve("x").toString(),
        "--data",
        file("rows.jsonl", "{\"instruction\": \"a\"}").toString()
      }
    };
    for (String[] wrong : cases) {
      PeftRun result = PeftRun.of(List.of(wrong).subList(1, wrong.length).toArray(String[]::new));
      assertEquals(2, result.code(), result.err());
      assertTrue(result.err().contains(wrong[0]), result.err());
      assertEquals(1, result.err().strip().lines().count(), result.err());
    }
    assertFalse(Files.exists(out));
    assertFalse(Files.exists(temp.resolve("x")));
  }
}
