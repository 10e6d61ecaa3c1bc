package io.peft4j.quant;

import java.util.Locale;

/** The largest magnitude of float32 bit patterns. */
final class Magnitude {
  private static final int SIGN = 0x8000_0000;
  private static final int INFINITY = 0x7f80_0000;

  private Magnitude() {}

  /**
   * The largest magnitude of {@code bits[offset..offset+length)}. As integers, magnitudes order as
   * floats do, with infinities and NaN above all.
   *
   * @param position the first one's index in its tensor, for the message
   * @throws QuantizationException if one is infinite or NaN
   */
  static float largest(int[] bits, int offset, int length, long position) {
    int even = 0;
    int odd = 0;
    int i = offset;
    for (int end = offset + length - 1; i < end; i += 2) { // two chains of comparisons, not one
      even = Math.max(even, bits[i] & ~SIGN);
      odd = Math.max(odd, bits[i + 1] & ~SIGN);
    }
    if (i < offset + length) {
      even = Math.max(even, bits[i] & ~SIGN);
    }
    int largest = Math.max(even, odd);
    if (largest >= INFINITY) {
      throw notFinite(bits, offset, position);
    }
    return Float.intBitsToFloat(largest);
  }

  private static QuantizationException notFinite(int[] bits, int offset, long position) {
    int i = offset;
    while ((bits[i] & ~SIGN) < INFINITY) {
      i++;
    }
    return new QuantizationException(
        String.format(
            Locale.ROOT,
            "element %d is %s; only finite values can be quantized",
            position + i - offset,
            Float.intBitsToFloat(bits[i])));
  }
}
