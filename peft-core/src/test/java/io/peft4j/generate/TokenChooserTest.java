package io.peft4j.generate;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.peft4j.Golden;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

class TokenChooserTest {

  private static float[] floats(JsonNode array) {
    float[] values = new float[array.size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) array.get(i).asDouble();
    }
    return values;
  }

  private static TokenChooser chooser(GenerationConfig config, int place) {
    return new TokenChooser(config, new int[0], Integer.MAX_VALUE, 40, place);
  }

  @Test
  void limitsActAsInTransformers() {
    JsonNode golden = Golden.json("generation/limits.json");
    for (JsonNode test : golden.get("cases")) {
      GenerationConfig config =
          GenerationConfig.greedy()
              .sampling(
                  test.get("temperature").asDouble(),
                  test.get("top_k").asInt(),
                  test.get("top_p").asDouble(),
                  test.get("min_p").asDouble());
      double[] found = Scores.softmax(chooser(config, 0).scores(floats(golden.get("logits"))));
      for (int i = 0; i < found.length; i++) {
        double expected = test.get("probabilities").get(i).asDouble();
        assertEquals(expected, found[i], 1e-6, test + ", token " + i);
        assertEquals(expected == 0, found[i] == 0, test + ", token " + i);
      }
    }
  }

  @Test
  void drawsByProbabilityAndSeed() {
    float[] logits = {0, (float) Math.log(3), Float.NEGATIVE_INFINITY};
    GenerationConfig config = GenerationConfig.greedy().sampling(1, 0, 1, 0);
    int[] counts = new int[3];
    TokenChooser chooser = chooser(config, 0);
    for (int i = 0; i < 10_000; i++) {
      counts[chooser.choose(logits)]++;
    }
    assertEquals(0, counts[2]);
    assertEquals(7500, counts[1], 200);

    assertArrayEquals(draws(config, 0), draws(config, 0));
    assertTrue(different(draws(config, 0), draws(config, 1)), "another place, other numbers");
    assertTrue(different(draws(config, 0), draws(config.withSeed(7), 0)), "another seed");
  }

  private static int[] draws(GenerationConfig config, int place) {
    TokenChooser chooser = chooser(config, place);
    int[] draws = new int[40];
    for (int i = 0; i < draws.length; i++) {
      draws[i] = chooser.choose(new float[] {1, 1, 1, 1});
    }
    return draws;
  }

  private static boolean different(int[] a, int[] b) {
    return !Arrays.equals(a, b);
  }
}
