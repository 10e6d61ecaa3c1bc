package io.peft4j.quant;

import io.peft4j.safetensors.DType;
import java.nio.ByteBuffer;
import java.util.Locale;

/** The floating point types that weights come in and are dequantized to. */
public enum FloatType {
  F32(4, "float32"),
  F16(2, "float16"),
  BF16(2, "bfloat16");

  private final int bytes;
  private final String torchName;

  FloatType(int bytes, String torchName) {
    this.bytes = bytes;
    this.torchName = torchName;
  }

  /** Bytes an element takes. */
  public int bytes() {
    return bytes;
  }

  /** PyTorch's name of the type, as quantization states and {@code config.json} spell it. */
  public String torchName() {
    return torchName;
  }

  /**
   * The type that PyTorch calls {@code name}.
   *
   * @throws QuantizationException if it is none of float32, float16 and bfloat16
   */
  public static FloatType ofTorchName(String name) {
    for (FloatType type : values()) {
      if (type.torchName.equals(name)) {
        return type;
      }
    }
    throw new QuantizationException(
        "unsupported float type '" + name + "', expected float32, float16 or bfloat16");
  }

  /**
   * The type of a checkpoint's tensor.
   *
   * @throws QuantizationException if it is none of F32, F16 and BF16
   */
  public static FloatType of(DType type) {
    return switch (type) {
      case F32 -> F32;
      case F16 -> F16;
      case BF16 -> BF16;
      default ->
          throw new QuantizationException("expected F32, F16 or BF16 weights, found " + type);
    };
  }

  /**
   * The elements between the buffer's position and limit, little-endian, widened.
   *
   * @throws QuantizationException if the bytes are no whole number of elements
   */
  public float[] toFloats(ByteBuffer elements) {
    FloatSource source = FloatSource.of(elements, this);
    float[] values = new float[(int) source.count()];
    int[] bits = new int[Math.min(values.length, 4096)];
    FloatSource.Reader reader = source.reader();
    for (int start = 0; start < values.length; start += bits.length) {
      int length = Math.min(bits.length, values.length - start);
      reader.read(start, bits, length);
      for (int i = 0; i < length; i++) {
        values[start + i] = Float.intBitsToFloat(bits[i]);
      }
    }
    return values;
  }

  /**
   * Rounds values to this type, half to even, and writes them little-endian from the buffer's
   * position on, which does not move.
   *
   * @throws QuantizationException if they do not fit
   */
  public void fromFloats(float[] values, ByteBuffer target) {
    FloatSink sink = FloatSink.of(target, this);
    if (sink.capacity() < values.length) {
      throw new QuantizationException(
          String.format(
              Locale.ROOT,
              "%d %s elements take %d bytes, found room for %d",
              values.length,
              torchName,
              (long) values.length * bytes,
              target.remaining()));
    }
    if (this == F32) {
      sink.write(0, values, values.length);
      return;
    }
    int[] pairs = new int[2048];
    for (int start = 0; start < values.length; start += 2 * pairs.length) {
      int length = Math.min(2 * pairs.length, values.length - start);
      roundPairs(values, start, length, pairs);
      sink.write(start, pairs, length);
    }
  }

  /** Rounds to pairs of 16-bit elements, the first in the low half. Not for {@link #F32}. */
  void roundPairs(float[] values, int from, int length, int[] pairs) {
    for (int i = 0; i < length / 2; i++) {
      int low = round(values[from + 2 * i]) & 0xffff;
      pairs[i] = low | round(values[from + 2 * i + 1]) << 16;
    }
    if (length % 2 == 1) {
      pairs[length / 2] = round(values[from + length - 1]);
    }
  }

  /** The element nearest to {@code value} (ties to even), as 16 bits. Not for {@link #F32}. */
  short round(float value) {
    return this == BF16 ? Half.toBf16(value) : Half.toF16(value);
  }

  /** The value of a 16-bit element, as the bits of the same float32. Not for {@link #F32}. */
  int widen(short element) {
    return this == BF16 ? element << 16 : Half.f16ToF32Bits(element);
  }
}
