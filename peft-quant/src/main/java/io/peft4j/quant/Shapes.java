package io.peft4j.quant;

import java.util.Arrays;
import java.util.Locale;

/** Checks of tensor shapes. */
final class Shapes {
  private Shapes() {}

  /**
   * The number of elements.
   *
   * @throws QuantizationException if an extent is not positive or there are 2^31 elements or more
   */
  static int count(long[] shape) {
    long count = 1;
    for (long extent : shape) {
      if (extent <= 0 || extent > Integer.MAX_VALUE || count * extent > Integer.MAX_VALUE) {
        throw new QuantizationException(
            String.format(
                Locale.ROOT,
                "cannot quantize shape %s: expected positive extents and fewer than 2^31 elements",
                text(shape)));
      }
      count *= extent;
    }
    return (int) count;
  }

  static String text(long[] shape) {
    return Arrays.toString(shape);
  }
}
