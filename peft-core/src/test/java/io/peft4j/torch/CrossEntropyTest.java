package io.peft4j.torch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The language model's loss, its gradient and log-probabilities, beside their formulas. */
class CrossEntropyTest {

  private static final double SCALE = 0.37;

  private static double logSum(float[] row) {
    double top = Double.NEGATIVE_INFINITY;
    for (float x : row) {
      top = Math.max(top, x);
    }
    double sum = 0;
    for (float x : row) {
      sum += Math.exp(x - top);
    }
    return top + Math.log(sum);
  }

  /** Rows as they are when training begins, sure ones, and sure ones that are wrong. */
  private static float[][] drawn(int rows, int words) {
    Random random = new Random(rows);
    float[][] logits = new float[rows][words];
    for (int r = 0; r < rows; r++) {
      for (int w = 0; w < words; w++) {
        logits[r][w] = (float) random.nextGaussian() * (r % 3 + 1) * 2;
      }
      logits[r][r % words] += r % 3 == 1 ? 40 : 0;
      logits[r][(r + 1) % words] += r % 3 == 2 ? 300 : 0;
    }
    return logits;
  }

  private static NDArray array(NDManager manager, float[][] rows, boolean bfloat16) {
    NDArray array = manager.create(rows);
    return bfloat16 ? Ops.toBfloat16(array) : array;
  }

  private static float[][] floats(NDArray array) {
    NDArray wide = Ops.toFloat32(array);
    Shape shape = array.getShape();
    float[][] rows = new float[(int) shape.get(0)][(int) shape.get(1)];
    float[] all = wide.toFloatArray();
    for (int r = 0; r < rows.length; r++) {
      System.arraycopy(all, r * rows[0].length, rows[r], 0, rows[0].length);
    }
    return rows;
  }

  @ParameterizedTest
  @CsvSource({
    "1, 7, false", // less than one group of rows
    "45, 32000, false", // groups of 16, the last one short
    "45, 32000, true",
    "3, 600000, true", // a row that is a group by itself
  })
  void areThoseOfTheFormulas(int rows, int words, boolean bfloat16) {
    try (NDManager manager = Natives.newManager(Device.cpu())) {
      NDArray logits = array(manager, drawn(rows, words), bfloat16);
      float[][] exact = floats(logits);
      long[] labels = new long[rows];
      for (int r = 0; r < rows; r++) {
        labels[r] = r % 7 == 3 ? -100 : r % words;
      }
      NDArray targets = manager.create(labels);
      float[] logProbs = TrainingOps.tokenLogProbs(logits, targets).toFloatArray();
      NDArray scale = HostTensors.number(manager, SCALE);
      NDList both = TrainingOps.crossEntropyGradient(logits, targets, scale);
      float[][] gradient = floats(both.get(1));
      double loss = 0;
      double rounding = bfloat16 ? 0x1p-8 : 1e-6;
      for (int r = 0; r < rows; r++) {
        boolean real = labels[r] >= 0;
        int label = (int) Math.max(0, labels[r]);
        double logSum = logSum(exact[r]);
        assertEquals(exact[r][label] - logSum, logProbs[r], 1e-6 * (1 + Math.abs(logSum)));
        loss -= real ? exact[r][label] - logSum : 0;
        for (int w = 0; w < words; w++) {
          double p = Math.exp(exact[r][w] - logSum);
          double expected = real ? SCALE * (p - (w == label ? 1 : 0)) : 0;
          double allowed = rounding * Math.abs(expected) + 1e-7;
          assertEquals(expected, gradient[r][w], allowed, "row " + r + ", word " + w);
        }
      }
      assertEquals(loss, both.get(0).getFloat(), 1e-6 * (1 + loss));
      assertTrue(rows == 1 || loss > 250, "some row is sure and wrong");
      assertEquals(bfloat16, Ops.isBfloat16(both.get(1)));
      logits.close();
      assertSame(manager, both.get(1).getManager());
    }
  }
}
