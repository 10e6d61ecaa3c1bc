package io.peft4j.quant;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class HalfTest {
  private static float f16(int bits) {
    return Float.intBitsToFloat(Half.f16ToF32Bits((short) bits));
  }

  @Test
  void everyFloat16WidensToItsValueAndBack() {
    for (int bits = 0; bits < 1 << 16; bits++) {
      int exponent = bits >> 10 & 31;
      int fraction = bits & 1023;
      double sign = bits < 1 << 15 ? 1 : -1;
      float value = f16(bits);
      if (exponent == 31) {
        assertEquals(fraction == 0 ? sign / 0 : Double.NaN, value);
      } else {
        double magnitude =
            exponent == 0
                ? Math.scalb((double) fraction, -24)
                : Math.scalb(1024.0 + fraction, exponent - 25);
        assertEquals(sign * magnitude, value);
      }
      if (exponent != 31 || fraction == 0) {
        assertEquals((short) bits, Half.toF16(value));
      } else {
        assertTrue(Float.isNaN(f16(Half.toF16(value))));
      }
    }
  }

  @Test
  void narrowingRoundsToTheNearestTiesToEven() {
    for (int bits = 0; bits < 0x7bff; bits++) { // neighbours bits and bits + 1
      float low = f16(bits);
      float middle = (low + f16(bits + 1)) / 2;
      int even = bits + (bits & 1);
      assertEquals((short) even, Half.toF16(middle));
      assertEquals((short) bits, Half.toF16(Math.nextDown(middle)));
      assertEquals((short) (bits + 1), Half.toF16(Math.nextUp(middle)));
      assertEquals((short) (even | 0x8000), Half.toF16(-middle));
    }
    assertEquals((short) 0x7bff, Half.toF16(Math.nextDown(65520f)));
    assertEquals((short) 0x7c00, Half.toF16(65520f));
    assertEquals((short) 0x7c00, Half.toF16(Float.MAX_VALUE));
  }

  @Test
  void brainFloatsRoundToTheNearestTiesToEven() {
    for (int high = 0; high < 0x7f80; high++) {
      int even = high + (high & 1);
      assertEquals((short) high, Half.toBf16(Float.intBitsToFloat(high << 16)));
      assertEquals((short) high, Half.toBf16(Float.intBitsToFloat(high << 16 | 0x7fff)));
      assertEquals((short) even, Half.toBf16(Float.intBitsToFloat(high << 16 | 0x8000)));
      assertEquals((short) (high + 1), Half.toBf16(Float.intBitsToFloat(high << 16 | 0x8001)));
    }
    assertTrue(
        Float.isNaN(Float.intBitsToFloat(Half.toBf16(Float.intBitsToFloat(0x7fffffff)) << 16)));
  }
}
