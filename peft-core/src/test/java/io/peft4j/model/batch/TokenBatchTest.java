package io.peft4j.model.batch;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.peft4j.Golden;
import io.peft4j.model.Model;
import io.peft4j.model.load.LoadOptions;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Examples packed into rows do not see each other. */
class TokenBatchTest {

  private static List<TokenSequence> random(Model model, int count, Random random) {
    List<TokenSequence> sequences = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      int length = 1 + random.nextInt(1 + random.nextInt(40));
      int[] ids = random.ints(length, 4, 119).toArray();
      int[] types = new int[length];
      for (int j = length / 2; j < length; j++) {
        types[j] = model.config().modelType().equals("bert") ? 1 : 0;
      }
      sequences.add(model.sequence(ids, types));
    }
    return sequences;
  }

  @ParameterizedTest
  @ValueSource(strings = {"bert", "roberta", "distilbert"})
  void packedEqualsAlone(String family) throws IOException {
    Random random = new Random(11);
    try (Model model = Model.load(Golden.path("encoders/" + family), LoadOptions.DEFAULT)) {
      double worst = 0;
      int packed = 0;
      for (int trial = 0; trial < 25; trial++) {
        List<TokenSequence> sequences = random(model, 1 + random.nextInt(24), random);
        float[][] alone = new float[sequences.size()][];
        for (int i = 0; i < alone.length; i++) {
          try (TokenBatch batch = model.batch(sequences.subList(i, i + 1))) {
            alone[i] = model.logits(batch)[0];
          }
        }
        try (TokenBatch batch = model.batch(sequences)) {
          int rows = batch.computedTokens() / (int) batch.ids().getShape().get(1);
          packed += rows < sequences.size() ? 1 : 0;
          assertEquals(sequences.size(), batch.examples());
          worst = Math.max(worst, Golden.distance(alone, model.logits(batch)));
        }
      }
      System.out.printf(
          Locale.ROOT, "%s: largest difference packed or alone %.1e%n", family, worst);
      assertTrue(worst < 5e-6, family + ": " + worst);
      assertTrue(packed > 15, "several examples shared rows in " + packed + " of 25 batches");
    }
  }

  @Test
  void orderDoesNotMatter() throws IOException {
    try (Model model = Model.load(Golden.path("encoders/bert"), LoadOptions.DEFAULT)) {
      List<TokenSequence> sequences = random(model, 12, new Random(3));
      List<TokenSequence> reversed = new ArrayList<>(sequences);
      java.util.Collections.reverse(reversed);
      try (TokenBatch one = model.batch(sequences);
          TokenBatch two = model.batch(reversed)) {
        float[][] first = model.logits(one);
        float[][] second = model.logits(two);
        for (int i = 0; i < first.length; i++) {
          assertArrayEquals(first[i], second[first.length - 1 - i], 5e-6f);
        }
        assertEquals(one.tokens(), two.tokens());
      }
      assertThrows(IllegalArgumentException.class, () -> model.batch(List.of()));
    }
  }
}
