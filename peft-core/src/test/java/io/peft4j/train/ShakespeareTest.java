package io.peft4j.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.peft4j.Golden;
import io.peft4j.Shared;
import io.peft4j.adapter.AdaptedModel;
import io.peft4j.data.CausalDataset;
import io.peft4j.data.CausalExample;
import io.peft4j.generate.Generated;
import io.peft4j.generate.GenerationConfig;
import io.peft4j.generate.Generator;
import io.peft4j.model.CausalLm;
import io.peft4j.model.batch.TokenSequence;
import io.peft4j.model.load.LoadOptions;
import io.peft4j.text.CausalTokenizer;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** LoRA on a really pretrained model beside HF peft, see make_shakespeare.py. */
class ShakespeareTest {

  private static final JsonNode GOLDEN = Golden.json("shakespeare/golden.json");

  @TempDir private Path temporary;

  /** As the script does: without an end token, which the encoder would put behind the text. */
  private static CausalSet set(CausalLm lm, CausalTokenizer tokenizer, String text) {
    int[] ids = tokenizer.encode(text);
    List<TokenSequence> blocks = new ArrayList<>();
    int block = GOLDEN.get("block").asInt();
    for (int from = 0; from + 1 < ids.length; from += block) {
      int to = Math.min(ids.length, from + block);
      blocks.add(lm.sequence(Arrays.copyOfRange(ids, from, to)));
    }
    return new CausalSet(blocks);
  }

  @Test
  void perplexityFallsAsWithPeft() throws IOException {
    Path folder = Shared.path("models/stories260k");
    String text = Files.readString(Shared.path("data/text/tinyshakespeare.txt"));
    try (CausalLm lm = CausalLm.load(folder, LoadOptions.DEFAULT);
        AdaptedModel adapted = new AdaptedModel(lm.model());
        CausalTokenizer tokenizer = CausalTokenizer.of(folder, lm.model())) {
      adapted.load("a", Golden.path("shakespeare/initial"));
      CausalSet train =
          set(lm, tokenizer, text.substring(0, GOLDEN.get("train_characters").asInt()));
      CausalSet heldOut =
          set(
              lm,
              tokenizer,
              text.substring(text.length() - GOLDEN.get("held_out_characters").asInt()));
      assertEquals(GOLDEN.get("examples").asInt(), train.size());
      double before = heldOut.evaluate(lm.model(), 16).get("perplexity");
      assertEquals(1, before / GOLDEN.get("before").asDouble(), 1e-5);
      TrainingArguments arguments =
          TrainingArguments.builder()
              .numTrainEpochs(1)
              .perDeviceTrainBatchSize(GOLDEN.get("batch").asInt())
              .gradientAccumulationSteps(GOLDEN.get("accumulation").asInt())
              .learningRate(GOLDEN.get("rate").asDouble())
              .seed(GOLDEN.get("seed").asLong())
              .build();
      CausalSetTest.Steps steps = new CausalSetTest.Steps();
      new Trainer(adapted, "a", arguments, train, null, steps, temporary, Map.of()).train(false);
      double after = heldOut.evaluate(lm.model(), 16).get("perplexity");
      System.out.printf(
          Locale.ROOT,
          "tinyshakespeare: perplexity %.3f -> %.3f, peft %.3f -> %.3f%n",
          before,
          after,
          GOLDEN.get("before").asDouble(),
          GOLDEN.get("after").asDouble());
      steps.compare(GOLDEN.get("steps"), "tinyshakespeare", 2e-3);
      assertEquals(1, after / GOLDEN.get("after").asDouble(), 2e-3);
    }
  }

  @Test
  void peftsAdapterSpeaksAndScoresHereAsItDoesThere() throws IOException {
    Path folder = Shared.path("models/stories260k");
    String text = Files.readString(Shared.path("data/text/tinyshakespeare.txt"));
    try (CausalLm lm = CausalLm.load(folder, LoadOptions.DEFAULT);
        AdaptedModel adapted = new AdaptedModel(lm.model());
        CausalTokenizer tokenizer = CausalTokenizer.of(folder, lm.model())) {
      adapted.load("a", Golden.path("shakespeare/trained"));
      List<int[]> prompts = new ArrayList<>();
      GOLDEN.get("prompts").forEach(prompt -> prompts.add(Golden.ints(prompt)));
      List<Generated> found =
          new Generator(lm)
              .generate(
                  prompts,
                  GenerationConfig.greedy().withMaxNewTokens(64),
                  (row, token, news) -> {});
      for (int i = 0; i < prompts.size(); i++) {
        assertArrayEquals(Golden.ints(GOLDEN.get("greedy").get(i)), found.get(i).tokens());
      }
      int[] ids =
          tokenizer.encode(
              text.substring(text.length() - GOLDEN.get("held_out_characters").asInt()));
      int[] block = Arrays.copyOf(ids, GOLDEN.get("block").asInt());
      float[] scores = lm.logProbs(List.of(lm.sequence(block)))[0];
      double worst = 0;
      for (int t = 0; t < scores.length; t++) {
        worst = Math.max(worst, Math.abs(scores[t] - GOLDEN.get("scores").get(t).asDouble()));
      }
      System.out.printf(
          Locale.ROOT, "stories260k with peft's adapter: scores differ by at most %.1e%n", worst);
      assertTrue(worst < 1e-4, "" + worst);
    }
  }

  /** The library's own way from a file to blocks. */
  @Test
  void aTextFileIsOneLongText() throws IOException {
    Path file = Shared.path("data/text/tinyshakespeare.txt");
    CausalDataset data = CausalDataset.read(file, StandardCharsets.UTF_8);
    assertEquals(1, data.size());
    assertTrue(((CausalExample.Text) data.examples().get(0)).document());
  }
}
