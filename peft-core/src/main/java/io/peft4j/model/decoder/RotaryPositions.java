package io.peft4j.model.decoder;

import ai.djl.ndarray.NDArray;
import io.peft4j.model.batch.TokenBatch;
import io.peft4j.torch.AttentionOps;

/**
 * Turns queries and keys by where their tokens stand. Angles are made once for a batch, and for
 * each table of frequencies: a model may have several.
 */
final class RotaryPositions {

  /** What a batch keeps angles under. */
  private record Table(RotaryPositions of, boolean cosine) {}

  private final NDArray frequencies;
  private final boolean whole;

  /**
   * @param frequencies float32 [pairs], as {@link Rope#frequencies}
   * @param whole whether all elements of a head are turned
   */
  RotaryPositions(NDArray frequencies, boolean whole) {
    this.frequencies = frequencies;
    this.whole = whole;
  }

  /**
   * @param x [rows, length, heads · d]
   * @return [rows, heads, length, d]
   */
  NDArray turn(NDArray x, NDArray heads, TokenBatch batch) {
    NDArray cos = batch.derive(new Table(this, true), () -> table(batch, true));
    NDArray sin = batch.derive(new Table(this, false), () -> table(batch, false));
    return AttentionOps.rotate(x, cos, sin, heads, whole);
  }

  private NDArray table(TokenBatch batch, boolean cosine) {
    try (NDArray angles = AttentionOps.angles(batch.positions(), frequencies)) {
      NDArray table = cosine ? angles.cos() : angles.sin();
      table.attach(batch.manager());
      return batch.typed(table);
    }
  }
}
