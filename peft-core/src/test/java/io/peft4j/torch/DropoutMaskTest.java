package io.peft4j.torch;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Rate, scale, repeatability and independence of the masks. */
class DropoutMaskTest {

  private static final int SIZE = 400_003; // more than one chunk, and no multiple of four

  private NDManager manager;

  @BeforeEach
  void open() {
    manager = NDManager.newBaseManager("PyTorch");
  }

  @AfterEach
  void close() {
    manager.close();
  }

  private float[] mask(Precision precision, int size, double p, long key) {
    try (NDArray x = precision.cast(manager.ones(new Shape(size)));
        NDArray mask = DropoutMask.like(x, p, key);
        NDArray wide = Ops.toFloat32(mask)) {
      assertEquals(precision == Precision.BFLOAT16, Ops.isBfloat16(mask));
      return wide.toFloatArray();
    }
  }

  private static double correlation(float[] a, float[] b, int shift) {
    double mean = 0;
    double together = 0;
    double squares = 0;
    for (int i = 0; i < a.length - shift; i++) {
      mean += (a[i] + b[i + shift]) / 2.0 / (a.length - shift);
    }
    for (int i = 0; i < a.length - shift; i++) {
      together += (a[i] - mean) * (b[i + shift] - mean);
      squares +=
          ((a[i] - mean) * (a[i] - mean) + (b[i + shift] - mean) * (b[i + shift] - mean)) / 2;
    }
    return together / squares;
  }

  @ParameterizedTest
  @EnumSource(Precision.class)
  void zeroesAtTheRateAndScalesTheRest(Precision precision) {
    for (double p : new double[] {0.05, 0.1, 0.5, 0.9}) {
      float[] mask = mask(precision, SIZE, p, 17);
      double zeros = 0;
      Set<Float> values = new HashSet<>();
      for (float value : mask) {
        zeros += value == 0 ? 1 : 0;
        values.add(value);
      }
      double deviation = Math.sqrt(p * (1 - p) / SIZE);
      assertEquals(p, zeros / SIZE, 5 * deviation + 1.0 / 65536, "rate");
      assertEquals(2, values.size());
      values.remove(0f);
      double step = precision == Precision.BFLOAT16 ? 1.0 / 256 : 1e-4;
      assertEquals(1 / (1 - p), values.iterator().next(), step / (1 - p), "scale");
    }
  }

  @ParameterizedTest
  @EnumSource(Precision.class)
  void isAFunctionOfKeyAndPlace(Precision precision) {
    float[] mask = mask(precision, SIZE, 0.3, 5);
    assertArrayEquals(mask, mask(precision, SIZE, 0.3, 5));
    assertArrayEquals(Arrays.copyOf(mask, 9001), mask(precision, 9001, 0.3, 5));
    assertFalse(Arrays.equals(mask, mask(precision, SIZE, 0.3, 6)));
    for (int size = 1; size < 9; size++) {
      assertArrayEquals(Arrays.copyOf(mask, size), mask(precision, size, 0.3, 5));
    }
  }

  /** What a GPU makes is what a CPU makes: every scale, odd sizes, several keys. */
  @ParameterizedTest
  @EnumSource(Precision.class)
  void libtorchsOperationsMakeTheSame(Precision precision) {
    for (int size : new int[] {1, 2, 9001, 16_387}) {
      for (long key : new long[] {0, -1, 5, DropoutMask.mix(42, 7), Long.MIN_VALUE}) {
        assertSame(precision, size, 0.3, key);
      }
    }
    for (int threshold = 0; threshold <= 65536; threshold += 97) {
      assertSame(precision, 7, threshold / 65536.0, threshold);
    }
    assertSame(precision, 1000, 0.999999, 1);
  }

  private void assertSame(Precision precision, int size, double p, long key) {
    int threshold = (int) Math.round(p * 65536);
    try (NDArray x = precision.cast(manager.ones(new Shape(size)));
        NDArray mask = DropoutMask.byOperations(x, threshold, 65536f / (65536 - threshold), key);
        NDArray wide = Ops.toFloat32(mask)) {
      assertEquals(precision == Precision.BFLOAT16, Ops.isBfloat16(mask));
      assertArrayEquals(mask(precision, size, p, key), wide.toFloatArray(), "p " + p);
    }
  }

  @Test
  void bothPrecisionsDropTheSame() {
    float[] wide = mask(Precision.FLOAT32, SIZE, 0.5, 5);
    assertArrayEquals(wide, mask(Precision.BFLOAT16, SIZE, 0.5, 5)); // 2 is exact in both
  }

  @Test
  void keysAndPlacesAreIndependent() {
    long run = DropoutMask.mix(DropoutMask.mix(42, 0), 0);
    float[] mask = mask(Precision.FLOAT32, SIZE, 0.5, run);
    double bound = 5 / Math.sqrt(SIZE);
    for (int shift : new int[] {1, 2, 3, 4, 5, 8, 32, 384, 8192}) {
      assertTrue(Math.abs(correlation(mask, mask, shift)) < bound, "shift " + shift);
    }
    // Neighbours in step, part, segment and place, as Trainer and Pass make keys.
    for (long other :
        new long[] {
          DropoutMask.mix(DropoutMask.mix(42, 1), 0),
          DropoutMask.mix(DropoutMask.mix(42, 0), 1),
          DropoutMask.mix(DropoutMask.mix(43, 0), 0),
          DropoutMask.mix(run, 0),
          DropoutMask.mix(run, 1)
        }) {
      float[] second = mask(Precision.FLOAT32, SIZE, 0.5, other);
      for (int shift : new int[] {0, 1, 4}) {
        assertTrue(Math.abs(correlation(mask, second, shift)) < bound, "shift " + shift);
      }
    }
  }

  @Test
  void keysDiffer() {
    Set<Long> keys = new HashSet<>();
    for (long seed = 0; seed < 4; seed++) {
      for (long step = 0; step < 2000; step++) {
        for (long part = 0; part < 4; part++) {
          keys.add(DropoutMask.mix(DropoutMask.mix(seed, step), part));
        }
      }
    }
    assertEquals(4 * 2000 * 4, keys.size());
  }

  @Test
  void nearlyOneDropsAll() {
    for (float value : mask(Precision.FLOAT32, 1000, 0.999999, 1)) {
      assertEquals(0, value);
    }
  }
}
