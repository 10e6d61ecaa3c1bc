package io.peft4j.generate;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.peft4j.Golden;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TokenChooserTest {

  @TempDir Path temp;

  private static float[] floats(JsonNode array) {
    float[] values = new float[array.size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) array.get(i).asDouble();
    }
    return values;
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
      TokenChooser chooser = new TokenChooser(config, new int[0], 0);
      double[] found = chooser.probabilities(floats(golden.get("logits")));
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
    TokenChooser chooser = new TokenChooser(config, new int[0], 0);
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
    TokenChooser chooser = new TokenChooser(config, new int[0], place);
    int[] draws = new int[40];
    for (int i = 0; i < draws.length; i++) {
      draws[i] = chooser.choose(new float[] {1, 1, 1, 1});
    }
    return draws;
  }

  private static boolean different(int[] a, int[] b) {
    return !Arrays.equals(a, b);
  }

  @Test
  void readsWhatAFolderRecommends() throws IOException {
    Path file = temp.resolve("generation_config.json");
    Files.writeString(
        file, "{\"do_sample\": true, \"top_p\": 0.9, \"eos_token_id\": [7, 9], \"top_k\": null}");
    GenerationConfig config = GenerationConfig.of(temp);
    assertEquals(Set.of(7, 9), config.eosTokenIds());
    assertEquals(0.9, config.topP());
    assertEquals(0, config.topK());
    assertTrue(config.doSample());

    Files.writeString(file, "{\"top_p\": 1.5}");
    String message =
        assertThrows(IllegalArgumentException.class, () -> GenerationConfig.of(temp)).getMessage();
    assertTrue(message.contains("generation_config.json: top_p"), message);

    Files.delete(file);
    Files.writeString(temp.resolve("config.json"), "{\"eos_token_id\": 2}");
    assertEquals(Set.of(2), GenerationConfig.of(temp).eosTokenIds());
  }
}
