package org.example;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.peft4j.generate.Generated;
import io.peft4j.generate.GenerationConfig;
import io.peft4j.generate.Generator;
import io.peft4j.model.CausalLm;
import io.peft4j.model.batch.TokenSequence;
import io.peft4j.model.load.LoadOptions;
import io.peft4j.torch.Precision;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** A tiny model in the resources, and what transformers computes with it. */
public record Reference(Path folder, JsonNode golden) {

  /** {@return what make_external_families.py has written under {@code name}} */
  public static Reference of(String name) throws IOException, URISyntaxException {
    Path folder = Path.of(Reference.class.getResource("/" + name).toURI());
    return new Reference(
        folder, new ObjectMapper().readTree(folder.resolve("golden.json").toFile()));
  }

  /** Log-probabilities of tokens: unpadded, and padded on either side. */
  public void assertEqualLogProbs() throws IOException {
    double distance = distance(Precision.FLOAT32);
    assertTrue(distance < 1e-5, folder + " differs by " + distance);
    double rounded = distance(Precision.BFLOAT16);
    assertTrue(
        rounded < 2 * golden.get("bfloat16").asDouble(),
        folder
            + " differs by "
            + rounded
            + " in bfloat16, transformers' by "
            + golden.get("bfloat16"));
  }

  private double distance(Precision precision) throws IOException {
    double worst = 0;
    assertEquals(3, golden.get("cases").size());
    try (CausalLm lm = CausalLm.load(folder, LoadOptions.DEFAULT.withPrecision(precision))) {
      for (JsonNode test : golden.get("cases")) {
        JsonNode inputs = test.get("inputs");
        List<TokenSequence> sequences = new ArrayList<>();
        for (int i = 0; i < inputs.get("input_ids").size(); i++) {
          TokenSequence sequence =
              lm.model()
                  .unpad(
                      ints(inputs.get("input_ids").get(i)),
                      null,
                      ints(inputs.get("attention_mask").get(i)));
          sequences.add(sequence.withLabels(sequence.ids()));
        }
        float[][] found = lm.logProbs(sequences);
        for (int i = 0; i < found.length; i++) {
          JsonNode expected = test.get("log_probs").get(i);
          assertEquals(expected.size(), found[i].length);
          for (int j = 0; j < found[i].length; j++) {
            worst = Math.max(worst, Math.abs(expected.get(j).asDouble() - found[i][j]));
          }
        }
      }
    }
    return worst;
  }

  /** What generate() adds to prompts. */
  public void assertEqualGreedyTokens() throws IOException {
    JsonNode greedy = golden.get("greedy");
    List<int[]> prompts = new ArrayList<>();
    greedy.get("prompts").forEach(prompt -> prompts.add(ints(prompt)));
    int steps = greedy.get("tokens").get(0).size();
    try (CausalLm lm = CausalLm.load(folder, LoadOptions.DEFAULT)) {
      List<Generated> found =
          new Generator(lm)
              .generate(
                  prompts,
                  GenerationConfig.greedy().withMaxNewTokens(steps),
                  (prompt, token, text) -> {});
      for (int i = 0; i < found.size(); i++) {
        assertArrayEquals(ints(greedy.get("tokens").get(i)), found.get(i).tokens(), "prompt " + i);
      }
    }
  }

  private static int[] ints(JsonNode array) {
    int[] values = new int[array.size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = array.get(i).asInt();
    }
    return values;
  }
}
