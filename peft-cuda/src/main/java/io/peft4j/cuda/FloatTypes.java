package io.peft4j.cuda;

import io.peft4j.quant.FloatType;

/** How the kernels name the float types. */
final class FloatTypes {
  private FloatTypes() {}

  static String suffix(FloatType type) {
    return switch (type) {
      case F32 -> "f32";
      case F16 -> "f16";
      case BF16 -> "bf16";
    };
  }

  static long divideUp(long a, long b) {
    return (a + b - 1) / b;
  }
}
