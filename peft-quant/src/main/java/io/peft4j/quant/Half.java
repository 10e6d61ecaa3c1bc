package io.peft4j.quant;

/** The two 16-bit floats, exactly as hardware converts them: round to nearest, ties to even. */
final class Half {
  private static final float TWO_POW_112 = 0x1p112f;

  private Half() {}

  static short toBf16(float value) {
    return (short)
        (value != value
            ? Float.floatToRawIntBits(value) >>> 16 | 0x40 // rounding might carry a NaN to zero
            : finiteToBf16Bits(value));
  }

  static int finiteToBf16Bits(float value) {
    int bits = Float.floatToRawIntBits(value);
    return bits + 0x7fff + (bits >>> 16 & 1) >>> 16;
  }

  /** Shifting exponent and mantissa into place leaves the exponent 112 too low. */
  static int f16ToF32Bits(short element) {
    int sign = (element & 0x8000) << 16;
    int magnitude = (element & 0x7fff) << 13;
    if (magnitude >= 0x0f80_0000) { // infinity or NaN
      return sign | magnitude | 0x7f80_0000;
    }
    return sign | Float.floatToRawIntBits(Float.intBitsToFloat(magnitude) * TWO_POW_112);
  }

  static short toF16(float value) {
    int bits = Float.floatToRawIntBits(value);
    int sign = bits >>> 16 & 0x8000;
    int magnitude = bits & 0x7fff_ffff;
    if (magnitude > 0x7f80_0000) {
      return (short) (sign | 0x7e00);
    }
    if (magnitude >= 0x477f_f000) { // rounds to 2^16 or more
      return (short) (sign | 0x7c00);
    }
    if (magnitude < 0x3880_0000) { // below 2^-14: adding 0.5 rounds at the subnormals' last bit
      float shifted = Float.intBitsToFloat(magnitude) + 0.5f;
      return (short) (sign | Float.floatToRawIntBits(shifted) - 0x3f00_0000);
    }
    int rounded = magnitude - 0x3800_0000 + 0xfff + (magnitude >>> 13 & 1);
    return (short) (sign | rounded >>> 13);
  }
}
