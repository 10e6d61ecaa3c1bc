package io.peft4j.adapter.method;

import io.peft4j.safetensors.SafetensorsFile;
import io.peft4j.safetensors.TensorInfo;
import java.nio.ByteBuffer;

/** Reads floating-point tensors of any width as float32. */
public final class Floats {

  private Floats() {}

  /**
   * @throws IllegalArgumentException if the tensor is not of a floating-point type
   */
  public static float[] read(SafetensorsFile file, TensorInfo info) {
    ByteBuffer bytes = file.bytes(info.name());
    float[] values = new float[Math.toIntExact(info.elements())];
    switch (info.dtype()) {
      case F32 -> bytes.asFloatBuffer().get(values);
      case F64 -> {
        for (int i = 0; i < values.length; i++) {
          values[i] = (float) bytes.getDouble(i * Double.BYTES);
        }
      }
      case BF16 -> {
        for (int i = 0; i < values.length; i++) {
          values[i] = Float.intBitsToFloat(bytes.getShort(i * Short.BYTES) << 16);
        }
      }
      case F16 -> {
        for (int i = 0; i < values.length; i++) {
          values[i] = half(bytes.getShort(i * Short.BYTES));
        }
      }
      default ->
          throw new IllegalArgumentException(
              file.path()
                  + ": tensor '"
                  + info.name()
                  + "': expected a floating-point type, found "
                  + info.dtype());
    }
    return values;
  }

  /** IEEE half precision: 1 sign, 5 exponent and 10 fraction bits. */
  private static float half(short bits) {
    int sign = (bits & 0x8000) << 16;
    int exponent = (bits >> 10) & 0x1F;
    int fraction = bits & 0x3FF;
    if (exponent == 0) {
      float magnitude = fraction * 0x1p-24f;
      return sign == 0 ? magnitude : -magnitude;
    }
    int wide = exponent == 31 ? 255 : exponent + 112;
    return Float.intBitsToFloat(sign | wide << 23 | fraction << 13);
  }
}
