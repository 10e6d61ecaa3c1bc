package org.example.gemma3;

import org.example.Reference;
import org.junit.jupiter.api.Test;

/** A family with two rotary bases in one model, added by one file. */
class Gemma3Test {

  @Test
  void tokenLogProbabilitiesEqualTransformers() throws Exception {
    Reference.of("gemma3").assertEqualLogProbs();
  }

  @Test
  void greedyTokensEqualTransformers() throws Exception {
    Reference.of("gemma3").assertEqualGreedyTokens();
  }
}
