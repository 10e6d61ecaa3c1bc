package io.peft4j.generate;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.peft4j.Golden;
import io.peft4j.Shared;
import io.peft4j.generate.Generated.Finish;
import io.peft4j.model.CausalLm;
import io.peft4j.model.load.LoadOptions;
import io.peft4j.text.CausalTokenizer;
import io.peft4j.torch.Precision;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** A really pretrained model, where it is at hand: -Dpeft4j.shared or PEFT4J_SHARED. */
class StoriesTest {

  private static final JsonNode GOLDEN = Golden.json("generation/stories260k.json");

  private static Path folder() {
    return Shared.path("models/stories260k");
  }

  private static List<String> prompts() {
    List<String> prompts = new ArrayList<>();
    GOLDEN.get("prompts").forEach(prompt -> prompts.add(prompt.asText()));
    return prompts;
  }

  @Test
  void greedyTokensAndTextsEqualTransformers() throws IOException {
    Path folder = folder();
    try (CausalLm lm = CausalLm.load(folder, LoadOptions.DEFAULT);
        CausalTokenizer codec = CausalTokenizer.load(folder, 512)) {
      for (int i = 0; i < prompts().size(); i++) {
        assertArrayEquals(Golden.ints(GOLDEN.get("ids").get(i)), codec.encode(prompts().get(i)));
      }
      Generator generator = new Generator(lm, codec);
      GenerationConfig config = GenerationConfig.greedy().withMaxNewTokens(96);
      StringBuilder[] streamed = new StringBuilder[prompts().size()];
      for (int i = 0; i < streamed.length; i++) {
        streamed[i] = new StringBuilder();
      }
      long start = System.nanoTime();
      List<Generated> together =
          generator.generateTexts(
              prompts(), config, (prompt, token, text) -> streamed[prompt].append(text));
      System.out.printf(
          Locale.ROOT,
          "stories260k: %d tokens in %d ms%n",
          96 * streamed.length,
          (System.nanoTime() - start) / 1_000_000);
      for (int i = 0; i < streamed.length; i++) {
        assertArrayEquals(Golden.ints(GOLDEN.get("greedy").get(i)), together.get(i).tokens());
        assertEquals(GOLDEN.get("texts").get(i).asText(), together.get(i).text());
        assertEquals(together.get(i).text(), streamed[i].toString());
        assertEquals(Finish.LENGTH, together.get(i).finish());
        Generated alone = generator.generateTexts(List.of(prompts().get(i)), config).get(0);
        assertArrayEquals(together.get(i).tokens(), alone.tokens());
      }
    }
  }

  @Test
  void repetitionPenaltyActsAsInTransformers() throws IOException {
    try (CausalLm lm = CausalLm.load(folder(), LoadOptions.DEFAULT)) {
      GenerationConfig config =
          GenerationConfig.greedy().withMaxNewTokens(48).withRepetitionPenalty(1.3);
      List<int[]> ids = new ArrayList<>();
      GOLDEN.get("ids").forEach(row -> ids.add(Golden.ints(row)));
      List<Generated> found = new Generator(lm).generate(ids, config, (prompt, token, text) -> {});
      for (int i = 0; i < found.size(); i++) {
        assertArrayEquals(Golden.ints(GOLDEN.get("penalized").get(i)), found.get(i).tokens());
      }
    }
  }

  @Test
  void stopStringsAndEndTokensEndASequenceAlone() throws IOException {
    Path folder = folder();
    try (CausalLm lm = CausalLm.load(folder, LoadOptions.DEFAULT);
        CausalTokenizer codec = CausalTokenizer.load(folder, 512)) {
      Generator generator = new Generator(lm, codec);
      GenerationConfig config = GenerationConfig.greedy().withMaxNewTokens(96);
      StringBuilder first = new StringBuilder();
      List<Generated> stopped =
          generator.generateTexts(
              prompts(),
              config.withStopStrings("loved to", "never said"),
              (prompt, token, text) -> first.append(prompt == 0 ? text : ""));
      assertEquals(", there was a little girl named Lily. She ", stopped.get(0).text());
      assertEquals(stopped.get(0).text(), first.toString());
      assertEquals(Finish.STOP_STRING, stopped.get(0).finish());
      assertTrue(stopped.stream().anyMatch(generated -> generated.finish() == Finish.LENGTH));
      for (int i = 0; i < stopped.size(); i++) {
        String whole = GOLDEN.get("texts").get(i).asText();
        assertTrue(whole.startsWith(stopped.get(i).text()), stopped.get(i).text());
      }

      int end = GOLDEN.get("greedy").get(1).get(7).asInt();
      Generated ended =
          generator.generateTexts(prompts(), config.withEosTokenIds(Set.of(end))).get(1);
      assertEquals(Finish.END_TOKEN, ended.finish());
      assertEquals(end, ended.tokens()[ended.tokens().length - 1]);
      assertTrue(ended.tokens().length <= 8);
    }
  }

  @Test
  void theContextEndsASequence() throws IOException {
    Path folder = folder();
    try (CausalLm lm = CausalLm.load(folder, LoadOptions.DEFAULT)) {
      int[] prompt = new int[509];
      for (int i = 0; i < prompt.length; i++) {
        prompt[i] = 3 + i % 400;
      }
      GenerationConfig config = GenerationConfig.greedy().withMaxNewTokens(10);
      List<Generated> found =
          new Generator(lm)
              .generate(List.of(prompt, new int[] {1, 403}), config, (row, token, text) -> {});
      assertEquals(Finish.CONTEXT, found.get(0).finish());
      assertEquals(4, found.get(0).tokens().length);
      assertEquals(10, found.get(1).tokens().length);
    }
  }

  @Test
  void perplexityEqualsTransformers() throws IOException {
    JsonNode score = GOLDEN.get("score");
    double[] exact = doubles(score.get("log_probs"));
    double[] rounded = doubles(score.get("bfloat16"));
    double[] found = logProbs(Precision.FLOAT32);
    System.out.printf(
        Locale.ROOT,
        "stories260k: perplexity %.5f, transformers %.5f%n",
        perplexity(found),
        perplexity(exact));
    assertEquals(perplexity(exact), perplexity(found), 1e-5);
    assertTrue(rms(found, exact) < 1e-5, "rms " + rms(found, exact));

    double[] half = logProbs(Precision.BFLOAT16);
    System.out.printf(
        Locale.ROOT,
        "stories260k in bfloat16: perplexity %.4f, transformers %.4f; rms difference %.4f, %.4f%n",
        perplexity(half),
        perplexity(rounded),
        rms(half, exact),
        rms(rounded, exact));
    assertTrue(rms(half, exact) < 1.5 * rms(rounded, exact), "rms " + rms(half, exact));
  }

  private static double[] logProbs(Precision precision) throws IOException {
    LoadOptions options = LoadOptions.DEFAULT.withPrecision(precision);
    try (CausalLm lm = CausalLm.load(folder(), options)) {
      int[] ids = Golden.ints(GOLDEN.get("score").get("ids"));
      float[] values = lm.logProbs(List.of(lm.sequence(ids)))[0];
      return IntStream.range(0, values.length).mapToDouble(i -> values[i]).toArray();
    }
  }

  private static double[] doubles(JsonNode array) {
    return IntStream.range(0, array.size()).mapToDouble(i -> array.get(i).asDouble()).toArray();
  }

  private static double perplexity(double[] logProbs) {
    return Math.exp(-Arrays.stream(logProbs).average().orElseThrow());
  }

  private static double rms(double[] a, double[] b) {
    assertEquals(b.length, a.length);
    return Math.sqrt(
        IntStream.range(0, a.length)
            .mapToDouble(i -> Math.pow(a[i] - b[i], 2))
            .average()
            .orElseThrow());
  }
}
