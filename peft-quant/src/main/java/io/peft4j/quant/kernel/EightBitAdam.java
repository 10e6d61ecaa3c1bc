package io.peft4j.quant.kernel;

import io.peft4j.train.optimizer.AdamStep;

/** A step of AdamW on 8-bit moments in one kernel, so that they are never wide in memory. */
public interface EightBitAdam {

  /**
   * A moment in blocks of 256.
   *
   * @param codes a byte an element
   * @param absmax a float32 a block
   */
  record Moment(Memory codes, Memory absmax) {}

  /**
   * Updates parameter and moments.
   *
   * @param parameter float32
   * @param gradient float32
   * @param count how many elements they have
   */
  void step(
      Memory parameter, Memory gradient, Moment first, Moment second, long count, AdamStep step);
}
