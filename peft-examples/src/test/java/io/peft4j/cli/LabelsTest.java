package io.peft4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.safetensors.SafetensorsFile;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Labels on their way through the commands, between data, base, adapter and what is written. */
class LabelsTest {

  private static final Path GOLDEN =
      Path.of("..", "peft-core", "src", "test", "resources", "golden");
  private static final Path BERT = GOLDEN.resolve("encoders/bert");
  private static final ObjectMapper JSON = new ObjectMapper();

  @TempDir private Path temp;
  private String said = "";

  /** Runs a command; what it and the log say on standard error is in {@link #said}. */
  private PeftRun run(Object... arguments) {
    ByteArrayOutputStream err = new ByteArrayOutputStream();
    PrintStream before = System.err;
    System.setErr(new PrintStream(err, true, StandardCharsets.UTF_8));
    try {
      return PeftRun.of(Stream.of(arguments).map(Object::toString).toArray(String[]::new));
    } finally {
      System.setErr(before);
      said = err.toString(StandardCharsets.UTF_8);
    }
  }

  private void good(Object... arguments) {
    PeftRun run = run(arguments);
    assertEquals(0, run.code(), run.err());
  }

  private void refused(String expected, Object... arguments) {
    PeftRun run = run(arguments);
    assertEquals(2, run.code(), run.out());
    assertTrue(run.err().contains(expected), run.err());
    assertEquals(1, run.err().lines().count(), run.err());
  }

  private Path data(String name, String... rows) throws IOException {
    return Files.write(temp.resolve(name), List.of(rows));
  }

  private List<JsonNode> predict(Path model, Path adapter, Path input) throws IOException {
    Path output = temp.resolve("predicted.jsonl");
    List<Object> arguments = new ArrayList<>(List.of("predict", "--model", model));
    arguments.addAll(List.of("--input", input, "--output", output));
    if (adapter != null) {
      arguments.addAll(List.of("--adapter", adapter));
    }
    good(arguments.toArray());
    List<JsonNode> answers = new ArrayList<>();
    for (String line : Files.readAllLines(output)) {
      answers.add(JSON.readTree(line));
    }
    return answers;
  }

  /** A copy of the tiny classifier whose config says something else. */
  private Path base(String changes) throws IOException {
    Path folder = Files.createDirectories(temp.resolve("base"));
    for (String file : List.of("model.safetensors", "tokenizer.json")) {
      Files.copy(BERT.resolve(file), folder.resolve(file));
    }
    ObjectNode config = (ObjectNode) JSON.readTree(BERT.resolve("config.json").toFile());
    config.setAll((ObjectNode) JSON.readTree(changes.replace('\'', '"')));
    Files.writeString(folder.resolve("config.json"), config.toString());
    return folder;
  }

  private static List<Long> shape(Path adapter, String tensor) throws IOException {
    try (SafetensorsFile file =
        SafetensorsFile.open(adapter.resolve("adapter_model.safetensors"))) {
      return file.tensors().get("base_model.model." + tensor).shape();
    }
  }

  @Test
  void regressionTrainsAHeadOfOneAndPredictsANumber() throws IOException {
    List<String> rows = new ArrayList<>();
    for (int i = 0; i < 24; i++) {
      rows.add(String.format(Locale.ROOT, "{\"text\": \"film %d\", \"label\": %s}", i, i / 3.0));
    }
    Path data = data("d.jsonl", rows.toArray(String[]::new));
    Path adapter = temp.resolve("a");
    Object[] train = {"train", "--model", BERT, "--data", data, "--output", adapter};
    refused("--problem-type regression to learn them as quantities", with(train, "--new-head"));
    good(with(train, "--new-head", "--problem-type", "regression", "--max-steps", "3"));
    assertEquals(List.of(1L, 32L), shape(adapter, "classifier.weight"));
    JsonNode config = JSON.readTree(adapter.resolve("config.json").toFile());
    assertEquals("regression", config.get("problem_type").asText());
    assertEquals(1, config.get("id2label").size());
    String steps = Files.readString(adapter.resolve("metrics.jsonl"));
    assertTrue(JSON.readTree(steps.lines().findFirst().orElseThrow()).get("loss").asDouble() > 1);

    List<JsonNode> found = predict(BERT, adapter, data);
    assertEquals(24, found.size());
    assertTrue(found.get(0).get("label").isNumber(), found.toString());
    assertFalse(found.get(0).has("probabilities"));
    assertTrue(said.contains("pearson"), said);
    assertFalse(said.contains("newly initialized"), said);
  }

  private static Object[] with(Object[] arguments, Object... more) {
    return Stream.of(arguments, more).flatMap(Stream::of).toArray();
  }

  @Test
  void aTrainedHeadKeepsTheOrderOfItsLabels() throws IOException {
    String[] rows = new String[25];
    rows[0] = "text\tlabel";
    for (int i = 1; i < rows.length; i++) {
      rows[i] = i % 2 == 0 ? "the good film\tpositive" : "a bad movie\tnegative";
    }
    Path data = data("d.tsv", rows);
    Path first = temp.resolve("first");
    Object[] train = {"train", "--data", data, "--learning-rate", "1e-2"};
    good(
        with(train, "--model", BERT, "--output", first, "--max-steps", "30", "--new-head"),
        "--labels",
        "positive,negative");
    Path base = temp.resolve("merged");
    good("merge", "--model", BERT, "--adapter", first, "--output", base);
    assertFalse(said.contains("newly initialized"), said);
    JsonNode config = JSON.readTree(base.resolve("config.json").toFile());
    assertEquals("positive", config.at("/id2label/0").asText());

    Path second = temp.resolve("second");
    Object[] again = {
      "train", "--model", base, "--data", data, "--eval-data", data, "--output", second
    };
    PeftRun run = run(with(again, "--max-steps", "1", "--learning-rate", "1e-9"));
    assertEquals(0, run.code(), run.err());
    assertTrue(run.out().contains("accuracy=1.0"), run.out());
    assertTrue(said.contains("[positive, negative]; those asked for, [negative, positive]"), said);
    assertEquals(
        "positive",
        JSON.readTree(second.resolve("config.json").toFile()).at("/id2label/0").asText());

    // two rows suffice where the head knows the rest, and its numbers are understood
    Path some = data("some.csv", "text,label", "the good film,0", "the good film,POSITIVE");
    List<JsonNode> found = predict(base, null, some);
    assertEquals("positive", found.get(0).get("label").asText());
    assertTrue(said.contains("accuracy 1.0000"), said);
    Path other = data("other.csv", "text,label", "the good film,positive", "a film,mixed");
    refused(
        "asked for is single_label_classification with 2 labels [mixed, positive]",
        "train",
        "--model",
        base,
        "--data",
        other,
        "--output",
        temp.resolve("x"));
    good(
        "train",
        "--model",
        base,
        "--data",
        other,
        "--output",
        temp.resolve("x"),
        "--eval-split",
        "0",
        "--max-steps",
        "1",
        "--new-head");
  }

  private void good(Object[] arguments, Object... more) {
    PeftRun run = run(with(arguments, more));
    assertEquals(0, run.code(), run.err());
  }

  @Test
  void anAdapterOfPythonsHasTheLabelsOfItsBase() throws IOException {
    Path base =
        base(
            "{'id2label': {'0': 'toxic', '1': 'spam', '2': 'rude'},"
                + " 'problem_type': 'multi_label_classification'}");
    Path adapter = GOLDEN.resolve("lora/bert-seq-cls");
    Path input = data("in.jsonl", "{\"text\": \"the good film\", \"label\": [1, 0, 1]}");
    JsonNode found = predict(base, adapter, input).get(0);
    assertTrue(found.get("label").isArray(), found.toString());
    assertEquals(3, found.get("probabilities").size());
    double logit = found.at("/logits/1").asDouble();
    assertEquals(1 / (1 + Math.exp(-logit)), found.at("/probabilities/spam").asDouble(), 1e-6);
    assertTrue(said.contains("on the 1 labels of 1 rows"), said);

    Path merged = temp.resolve("merged");
    good("merge", "--model", base, "--adapter", adapter, "--output", merged);
    JsonNode config = JSON.readTree(merged.resolve("config.json").toFile());
    assertEquals("rude", config.at("/id2label/2").asText());
    assertEquals("multi_label_classification", config.get("problem_type").asText());
  }

  @Test
  void multiHotRowsTrainAsManyLabels() throws IOException {
    String[] rows = new String[20];
    for (int i = 0; i < rows.length; i++) {
      rows[i] =
          String.format(
              Locale.ROOT, "{\"text\": \"film %d\", \"labels\": [%d, 1, %d]}", i, i % 2, i / 2 % 2);
    }
    Path data = data("d.jsonl", rows);
    Path adapter = temp.resolve("a");
    Path base =
        base("{'id2label': {'0': 'toxic', '1': 'spam', '2': 'rude'}, 'problem_type': null}");
    good(
        "train",
        "--model",
        base,
        "--data",
        data,
        "--output",
        adapter,
        "--max-steps",
        "40",
        "--problem-type",
        "multi_label_classification",
        "--learning-rate",
        "1e-2");
    JsonNode found = predict(base, adapter, data).get(0);
    assertTrue(found.at("/probabilities/spam").asDouble() > 0.9, found.toString());
    assertTrue(said.contains("on the 20 labels of 20 rows"), said);
  }

  @ParameterizedTest
  @ValueSource(strings = {"bert-bare", "distilbert-bare"})
  void aHeadThatNobodyHasTrainedIsNoneToPredictWith(String name) throws IOException {
    Path base = bare(name);
    Path input = data("in.tsv", "text", "the good film");
    refused(
        "has no trained classifier",
        "predict",
        "--model",
        base,
        "--input",
        input,
        "--output",
        temp.resolve("x"));
    Path data = data("d.tsv", "text\tlabel", "the good film\tyes", "a bad film\tno", "a film\tyes");
    Path adapter = temp.resolve("adapter");
    good(
        "train",
        "--model",
        base,
        "--data",
        data,
        "--output",
        adapter,
        "--max-steps",
        "2",
        "--seed",
        "7",
        "--eval-split",
        "0");
    assertTrue(said.contains("newly initialized, to be trained: "), said);
    // whatever was drawn is in the adapter, not only the last layer
    List<JsonNode> found = predict(base, adapter, input);
    Path merged = temp.resolve("merged");
    good("merge", "--model", base, "--adapter", adapter, "--output", merged);
    assertFalse(said.contains("newly initialized"), said);
    assertEquals(
        found.get(0).at("/logits/0").asDouble(),
        predict(merged, null, input).get(0).at("/logits/0").asDouble(),
        1e-5);
  }

  /** A tiny encoder without a head, and with a tokenizer. */
  private Path bare(String name) throws IOException {
    Path folder = Files.createDirectories(temp.resolve("bare"));
    Files.copy(BERT.resolve("tokenizer.json"), folder.resolve("tokenizer.json"));
    Path from = GOLDEN.resolve("encoders").resolve(name.replace("distilbert-bare", "distilbert"));
    Files.copy(from.resolve("config.json"), folder.resolve("config.json"));
    Headless.copy(from.resolve("model.safetensors"), folder.resolve("model.safetensors"));
    return folder;
  }

  @Test
  void predictTakesTheFilesThatTrainTakes() throws IOException {
    Path base = base("{'id2label': {'0': 'bad', '1': 'fair', '2': 'good'}}");
    Path tsv = data("in.tsv", "sentence\tlabel", "the good film\tgood", "a \"bad\" film\tbad");
    Path csv = data("in.csv", "id,review,stars", "1,\"the good, good film\",good");
    Path txt = data("in.txt", "the good film\tfair");
    for (Path file : List.of(tsv, txt)) {
      JsonNode found = predict(base, null, file).get(0);
      assertEquals(3, found.get("probabilities").size());
      double sum = 0;
      for (JsonNode probability : found.get("probabilities")) {
        sum += probability.asDouble();
      }
      assertEquals(1, sum, 1e-9);
      assertTrue(said.contains("accuracy"), said);
    }
    good(
        "predict",
        "--model",
        base,
        "--input",
        csv,
        "--output",
        temp.resolve("o"),
        "--text-column",
        "review",
        "--label-column",
        "stars");
    assertTrue(said.contains("accuracy"), said);
    Path odd =
        data("odd.jsonl", "{\"text\": \"film\", \"label\": \"meh\"}", "{\"text\": \"film\"}");
    assertEquals(2, predict(base, null, odd).size());
    assertTrue(said.contains("unknown label 'meh'; the labels are [bad, fair, good]"), said);
  }

  @Test
  void wholeNumbersAreClassesUpToTwenty() throws IOException {
    String[] rows = new String[43];
    rows[0] = "text\tlabel";
    for (int i = 1; i < rows.length; i++) {
      rows[i] = "film\t" + i % 21;
    }
    Object[] train = {"train", "--model", BERT, "--output", temp.resolve("a"), "--max-steps", "1"};
    refused(
        "its labels are 21 different numbers",
        with(train, "--new-head", "--data", data("many.tsv", rows)));
    for (int i = 1; i < rows.length; i++) {
      rows[i] = "film\t" + i % 20;
    }
    good(with(train, "--new-head", "--data", data("classes.tsv", rows)));
    assertEquals(List.of(20L, 32L), shape(temp.resolve("a"), "classifier.weight"));
  }
}
