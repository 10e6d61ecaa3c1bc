package io.peft4j.generate;

/** Changes the scores that the next token of a sequence is chosen by. */
@FunctionalInterface
interface LogitsProcessor {

  /**
   * @param tokens prompt and what was added to it
   * @param scores of each token of the vocabulary; changed in place, negative infinity rules one
   *     out
   */
  void process(int[] tokens, float[] scores);
}
