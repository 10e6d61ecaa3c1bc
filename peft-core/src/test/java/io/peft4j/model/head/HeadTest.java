package io.peft4j.model.head;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.peft4j.Golden;
import io.peft4j.model.CausalLm;
import io.peft4j.model.Model;
import io.peft4j.model.batch.Reading;
import io.peft4j.model.batch.TokenBatch;
import io.peft4j.model.batch.TokenSequence;
import io.peft4j.model.batch.VirtualTokens;
import io.peft4j.model.load.LoadOptions;
import java.io.IOException;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What heads read and say. */
class HeadTest {

  private static final int NONE = TokenSequence.IGNORED;

  private static TokenSequence sequence(int[] ids, int[] labels) {
    return new TokenSequence(ids, new int[ids.length], new int[ids.length], new boolean[ids.length])
        .withLabels(labels);
  }

  @Test
  void onlyTheLanguageModelHeadShiftsLabels() {
    Reading reading = LanguageModelHead.READING;
    TokenSequence sequence = sequence(new int[] {7, 8, 9, 6}, new int[] {7, 8, NONE, 6});
    assertArrayEquals(new int[] {0, 2}, reading.tokens(sequence));
    assertArrayEquals(new int[] {8, 6}, reading.targets(sequence));
    assertEquals(2, reading.labelCount(sequence));
    VirtualTokens prompt = new VirtualTokens(0);
    prompt.addTokens(this, 2);
    TokenSequence behind = prompt.before(List.of(sequence)).get(0);
    assertArrayEquals(new int[] {NONE, NONE, 7, 8, NONE, 6}, behind.labels());
    assertArrayEquals(new int[] {2, 4}, reading.tokens(behind), "as without a prompt");
    assertArrayEquals(new int[] {8, 6}, reading.targets(behind));
    assertEquals(0, reading.tokens(sequence(new int[] {1, 2}, null)).length);
  }

  @Test
  void classifiersReadTheFirstTokenOrTheLastThatDoesNotPad() {
    TokenSequence sequence = sequence(new int[] {-1, -2, 7, 0, 8, 0, 0}, null);
    assertArrayEquals(new int[] {0}, Reading.FIRST.tokens(sequence));
    assertArrayEquals(new int[] {4}, Reading.last(0).tokens(sequence));
    assertArrayEquals(new int[] {6}, Reading.last(null).tokens(sequence));
    TokenSequence padding = sequence(new int[] {-1, -2, 0, 0}, null);
    assertArrayEquals(new int[] {2}, Reading.last(0).tokens(padding), "the first real one");
  }

  @Test
  void logitsAreThoseOfTheStatesThatAreRead() throws IOException {
    try (CausalLm lm = CausalLm.load(Golden.path("decoders/llama"), LoadOptions.DEFAULT);
        TokenBatch batch = lm.model().batch(List.of(lm.sequence(new int[] {5, 9, 13, 4})))) {
      float[][] logits = lm.model().logits(batch);
      float[] logProbs = lm.model().logProbs(batch);
      assertEquals(3, logits.length, "a row for each label");
      int[] next = {9, 13, 4};
      for (int i = 0; i < 3; i++) {
        double sum = 0;
        for (float logit : logits[i]) {
          sum += Math.exp(logit);
        }
        assertEquals(logits[i][next[i]] - Math.log(sum), logProbs[i], 1e-5);
      }
      assertArrayEquals(logProbs, lm.model().outputs(batch)[0]);
      IllegalArgumentException refused =
          assertThrows(
              IllegalArgumentException.class, () -> lm.model().head().loss(new float[1][1]));
      assertEquals(
          "the labels of a CAUSAL_LM head are the tokens', see TokenSequence.withLabels",
          refused.getMessage());
      assertTrue(lm.model().head().task().isEmpty());
      assertTrue(lm.model().head().labels().isEmpty());
      assertThrows(IllegalStateException.class, () -> lm.model().task());
      String message =
          assertThrows(IllegalStateException.class, () -> lm.model().labels()).getMessage();
      assertTrue(message.endsWith("its head is for CAUSAL_LM, which has no labels"), message);
    }
    try (Model model = Model.load(Golden.path("encoders/bert"), LoadOptions.DEFAULT);
        TokenBatch batch = model.batch(List.of(model.sequence(new int[] {5, 9, 13}, null)))) {
      assertEquals(0, model.logProbs(batch).length, "its labels are not the tokens'");
      assertArrayEquals(model.logits(batch), model.outputs(batch));
    }
  }
}
