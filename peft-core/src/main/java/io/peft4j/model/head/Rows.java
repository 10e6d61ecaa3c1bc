package io.peft4j.model.head;

import ai.djl.ndarray.NDArray;
import io.peft4j.model.batch.TokenSequence;
import io.peft4j.torch.Ops;
import java.util.Arrays;

/** A head's outputs as Java has them. */
public final class Rows {

  private Rows() {}

  /**
   * {@return the first rows of {@code logits}}
   *
   * @param logits [n, outputs] in any precision
   * @param rows at most n
   */
  public static float[][] of(NDArray logits, int rows) {
    try (NDArray wide = Ops.toFloat32(logits)) {
      float[] flat = wide.toFloatArray();
      int width = Math.toIntExact(logits.getShape().get(1));
      float[][] split = new float[rows][];
      for (int row = 0; row < rows; row++) {
        split[row] = Arrays.copyOfRange(flat, row * width, (row + 1) * width);
      }
      return split;
    }
  }

  /** {@return those of {@code values} whose target is a label} */
  static float[] labelled(float[] values, long[] targets) {
    float[] found = new float[values.length];
    int n = 0;
    for (int i = 0; i < targets.length; i++) {
      if (targets[i] != TokenSequence.IGNORED) {
        found[n++] = values[i];
      }
    }
    return Arrays.copyOf(found, n);
  }
}
