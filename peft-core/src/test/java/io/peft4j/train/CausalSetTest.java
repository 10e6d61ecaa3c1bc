package io.peft4j.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.peft4j.Golden;
import io.peft4j.adapter.AdaptedModel;
import io.peft4j.data.CausalDataset;
import io.peft4j.data.Truncation;
import io.peft4j.generate.GenerationConfig;
import io.peft4j.generate.Generator;
import io.peft4j.model.CausalLm;
import io.peft4j.model.batch.TokenBatch;
import io.peft4j.model.batch.TokenSequence;
import io.peft4j.model.load.LoadOptions;
import io.peft4j.text.CausalEncoder;
import io.peft4j.text.CausalTokenizer;
import io.peft4j.text.LabelledTokens;
import io.peft4j.train.report.StepReport;
import io.peft4j.train.report.TrainingListener;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Tokens, labels, log-probabilities and runs against transformers and peft, see make_causal.py. */
class CausalSetTest {

  private static final JsonNode GOLDEN = Golden.json("causal/golden.json");
  private static final Path FOLDER = Golden.path("causal/llama");

  @TempDir private Path temporary;

  private CausalLm lm;
  private AdaptedModel adapted;
  private CausalTokenizer tokenizer;

  @BeforeEach
  void open() throws IOException {
    lm = CausalLm.load(FOLDER, LoadOptions.DEFAULT);
    adapted = new AdaptedModel(lm.model());
    tokenizer = CausalTokenizer.of(FOLDER, lm.model());
  }

  @AfterEach
  void close() {
    tokenizer.close();
    adapted.close();
    lm.close();
  }

  private CausalDataset rows(String... rows) throws IOException {
    Path file = temporary.resolve("rows.jsonl");
    Files.write(file, List.of(rows));
    return CausalDataset.read(file, StandardCharsets.UTF_8);
  }

  private CausalDataset golden() throws IOException {
    List<String> rows = new ArrayList<>();
    GOLDEN.get("rows").forEach(row -> rows.add(row.get("row").toString()));
    return rows(rows.toArray(String[]::new));
  }

  @Test
  void tokensAndLabelsAreTransformers() throws IOException {
    List<LabelledTokens> found = new CausalEncoder(tokenizer, 128).encode(golden()).examples();
    assertEquals(GOLDEN.get("rows").size(), found.size());
    for (int i = 0; i < found.size(); i++) {
      JsonNode row = GOLDEN.get("rows").get(i);
      assertArrayEquals(Golden.ints(row.get("ids")), found.get(i).ids(), "row " + i);
      assertArrayEquals(Golden.ints(row.get("labels")), found.get(i).labels(), "row " + i);
    }
  }

  /** Where a template has generation blocks, they alone are learnt. */
  @Test
  void generationBlocksAreLearnt() throws IOException {
    Path folder = temporary.resolve("marked");
    Files.createDirectories(folder);
    for (String name : List.of("tokenizer.json", "tokenizer_config.json")) {
      Files.copy(FOLDER.resolve(name), folder.resolve(name));
    }
    Files.writeString(
        folder.resolve("chat_template.jinja"), GOLDEN.get("marked_template").asText());
    try (CausalTokenizer marked = CausalTokenizer.load(folder, 384)) {
      CausalDataset chat = rows(GOLDEN.get("rows").get(3).get("row").toString());
      LabelledTokens found = new CausalEncoder(marked, 128).encode(chat).examples().get(0);
      assertArrayEquals(Golden.ints(GOLDEN.get("marked").get("ids")), found.ids());
      int[] mask =
          Arrays.stream(found.labels())
              .map(label -> label == TokenSequence.IGNORED ? 0 : 1)
              .toArray();
      assertArrayEquals(Golden.ints(GOLDEN.get("marked").get("mask")), mask);
    }
  }

  @Test
  void scoresAreTransformersWithAndWithoutAnAdapter() throws IOException {
    CausalSet set = CausalSet.of(golden(), tokenizer, lm.model(), 128);
    double worst = compareScores(set, "log_probs");
    adapted.load("tuned", Golden.path("causal/adapter"));
    worst = Math.max(worst, compareScores(set, "adapted"));
    System.out.printf(Locale.ROOT, "log-probabilities: largest difference %.1e%n", worst);
    assertTrue(worst < 1e-4, "" + worst);
  }

  private double compareScores(CausalSet set, String key) {
    double worst = 0;
    double sum = 0;
    int labels = 0;
    for (int i = 0; i < set.size(); i++) {
      JsonNode expected = GOLDEN.get("rows").get(i).get(key);
      try (TokenBatch batch = set.batch(lm.model(), new int[] {i})) {
        float[] found = lm.model().logProbs(batch);
        assertEquals(expected.size(), found.length);
        for (int t = 0; t < found.length; t++) {
          worst = Math.max(worst, Math.abs(expected.get(t).asDouble() - found[t]));
          sum -= expected.get(t).asDouble();
        }
        labels += found.length;
      }
    }
    Map<String, Double> metrics = set.evaluate(lm.model(), 4);
    assertEquals(sum / labels, metrics.get("loss"), 1e-5);
    assertEquals(Math.exp(sum / labels), metrics.get("perplexity"), 1e-2);
    return worst;
  }

  @Test
  void generatesWhatPeftGenerates() throws IOException {
    Generator generator = new Generator(lm, tokenizer);
    GenerationConfig config = GenerationConfig.greedy().withMaxNewTokens(40);
    List<int[]> prompt = List.of(Golden.ints(GOLDEN.get("prompt")));
    for (String key : List.of("greedy", "greedy_adapted")) {
      int[] found = generator.generate(prompt, config, (row, token, text) -> {}).get(0).tokens();
      assertArrayEquals(Golden.ints(GOLDEN.get(key)), found, key);
      adapted.load("after " + key, Golden.path("causal/adapter"));
    }
  }

  /** Unequal numbers of labels in each pass of an accumulated step; LoRA+ with an embedding. */
  @ParameterizedTest
  @ValueSource(strings = {"accumulated", "loraplus"})
  void aRunIsHuggingFaceTrainers(String name) throws IOException {
    JsonNode run = GOLDEN.get("runs").get(name);
    adapted.load("a", Golden.path("causal/runs/" + name));
    TrainingArguments.Builder arguments =
        TrainingArguments.builder()
            .numTrainEpochs(run.get("epochs").asDouble())
            .perDeviceTrainBatchSize(run.get("batch").asInt())
            .gradientAccumulationSteps(run.get("accumulation").asInt())
            .learningRate(run.get("rate").asDouble())
            .weightDecay(run.path("decay").asDouble(0))
            .seed(run.get("seed").asLong());
    if (run.has("loraplus")) {
      arguments
          .loraplusLrRatio(run.get("loraplus").get("ratio").asDouble())
          .loraplusLrEmbedding(run.get("loraplus").get("embedding").asDouble());
    }
    List<TokenSequence> sequences = new ArrayList<>();
    for (JsonNode example : GOLDEN.get("examples")) {
      int[] ids = Golden.ints(example.get("ids"));
      int[] labels = Golden.ints(example.get("labels"));
      sequences.add(lm.model().sequence(ids, null).withLabels(labels));
    }
    Steps steps = new Steps();
    new Trainer(
            adapted,
            "a",
            arguments.build(),
            new CausalSet(sequences),
            null,
            steps,
            temporary.resolve("out"),
            Map.of())
        .train(false);
    steps.compare(run.get("steps"), name, 2e-4);
  }

  /** Collects steps, to compare them with Hugging Face's. */
  static final class Steps implements TrainingListener {
    final List<StepReport> reports = new ArrayList<>();

    @Override
    public void onStep(StepReport step) {
      reports.add(step);
    }

    void compare(JsonNode expected, String name, double tolerance) {
      assertEquals(expected.size(), reports.size());
      double worst = 0;
      double worstNorm = 0;
      for (int i = 0; i < reports.size(); i++) {
        StepReport found = reports.get(i);
        JsonNode step = expected.get(i);
        worst = Math.max(worst, Math.abs(step.get("loss").asDouble() - found.loss()));
        worstNorm =
            Math.max(
                worstNorm, Math.abs(found.gradientNorm() / step.get("grad_norm").asDouble() - 1));
        assertEquals(step.get("learning_rate").asDouble(), found.learningRate(), 1e-9);
      }
      System.out.printf(
          Locale.ROOT,
          "%s: %d steps, losses differ by at most %.1e, gradient norms by %.1e%n",
          name,
          reports.size(),
          worst,
          worstNorm);
      assertTrue(worst < tolerance, name + ": loss " + worst);
      assertTrue(worstNorm < 100 * tolerance, name + ": norm " + worstNorm);
    }
  }

  @Test
  void truncationSaysWhatItCost() throws IOException {
    String prompt = "The probe is blocked. ".repeat(20);
    CausalDataset data =
        rows(
            "{\"text\": \"" + prompt + "\"}",
            "{\"prompt\": \"" + prompt + "\", \"completion\": \"Clean it.\"}",
            "{\"text\": \"short\"}");
    CausalSet set = CausalSet.of(data, tokenizer, lm.model(), 30);
    assertEquals(2, set.size());
    assertEquals(30, set.length(0));
    Truncation lost = set.truncation();
    long whole =
        IntStream.of(
                tokenizer.encode(prompt).length + 1,
                tokenizer.encode(prompt + "Clean it.").length + 1,
                tokenizer.encode("short").length + 1)
            .sum();
    assertEquals(
        new Truncation(2, whole - 60 - tokenizer.encode("short").length - 1, 3, whole, 1), lost);
    assertTrue(lost.summary().startsWith("cut 2 of 3 examples, "), lost.summary());

    IllegalArgumentException none =
        assertThrows(
            IllegalArgumentException.class,
            () ->
                CausalSet.of(
                    rows("{\"prompt\": \"" + prompt + "\", \"completion\": \"x\"}"),
                    tokenizer,
                    lm.model(),
                    20));
    assertTrue(
        none.getMessage().contains("nothing to learn is left within max_length 20: cut 1 of 1"),
        none.getMessage());
  }

  @Test
  void aLongTextIsCutIntoBlocksAndLosesNothing() throws IOException {
    String text = "Rinse the probe before every run.\n".repeat(30);
    Path file = temporary.resolve("manual.txt");
    Files.writeString(file, text);
    CausalDataset data = CausalDataset.read(file, StandardCharsets.UTF_8);
    CausalSet set = CausalSet.of(data, tokenizer, lm.model(), 50);
    assertEquals(tokenizer.encode(text).length + 1, set.tokens());
    assertEquals(0, set.truncation().tokens());
    CausalSet.Split split = set.split(0.2, 3);
    assertEquals(set.size(), split.train().size() + split.heldOut().size());
    assertEquals(Math.round(0.2 * set.size()), split.heldOut().size());
    assertEquals(set.labels(), split.train().labels() + split.heldOut().labels());
    assertEquals(
        split.heldOut().fingerprint(), set.sample(split.heldOut().size(), 3).fingerprint());
    assertEquals(set.fingerprint(), set.sample(set.size() + 1, 3).fingerprint());
  }

  /** A template that drops old thoughts: each turn is learnt as it will be asked for. */
  @Test
  void turnsThatLaterOnesChangeAreLearntOneByOne() throws IOException {
    Path folder = temporary.resolve("thinking");
    Files.createDirectories(folder);
    for (String name : List.of("tokenizer.json", "tokenizer_config.json")) {
      Files.copy(FOLDER.resolve(name), folder.resolve(name));
    }
    Files.copy(Golden.path("templates/thinking.jinja"), folder.resolve("chat_template.jinja"));
    try (CausalTokenizer thinking = CausalTokenizer.load(folder, 384)) {
      CausalDataset chat =
          rows(
              "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}, {\"role\": \"assistant\","
                  + " \"content\": \"<think>\\nhm\\n</think>\\n\\nb\"}, {\"role\": \"user\","
                  + " \"content\": \"c\"}, {\"role\": \"assistant\", \"content\": \"d\"}]}");
      List<LabelledTokens> found = new CausalEncoder(thinking, 128).encode(chat).examples();
      assertEquals(2, found.size());
      assertEquals("<think>\nhm\n</think>\n\nb\n", learnt(thinking, found.get(0)));
      assertEquals("<think>\n\n</think>\n\nd\n", learnt(thinking, found.get(1)));
    }
  }

  private static String learnt(CausalTokenizer tokenizer, LabelledTokens tokens) {
    return tokenizer.decode(
        Arrays.stream(tokens.labels()).filter(label -> label != TokenSequence.IGNORED).toArray());
  }
}
