package io.peft4j.model.module;

import io.peft4j.model.batch.TokenBatch;
import java.util.List;

/**
 * How many elements a layer's graph keeps for the backward pass. A frozen linear layer keeps
 * nothing; one with something to train keeps its input; an activation, a product and a soft-max
 * keep what they were given or gave.
 */
public final class KeptElements {

  private KeptElements() {}

  /** {@return what a graph keeps for {@code linears}, which share an input, and their adapters} */
  public static Kept ofInput(List<Linear> linears) {
    long elements = 0;
    for (Linear linear : linears) {
      if (linear.keepsInput()) {
        elements = Math.max(elements, linear.projection().in());
      }
    }
    return linears.stream().map(Linear::keptByAdapters).reduce(Kept.perToken(elements), Kept::plus);
  }

  /**
   * {@return the elements that a token's graph keeps of attention scores: probabilities, and with
   * dropout the mask and the product}; none where they are never materialized
   */
  public static long ofScores(int heads, TokenBatch batch, double dropout, boolean materialized) {
    return materialized ? heads * batch.rowLength() * (dropout > 0 ? 3 : 1) : 0;
  }

  /** {@return the elements that a token's graph keeps of dropping out {@code size} elements} */
  public static long ofDropout(long size, double dropout) {
    return dropout > 0 ? size : 0;
  }
}
