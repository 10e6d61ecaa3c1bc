package io.peft4j.quant;

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

  /** The element nearest to {@code value} (ties to even), as 16 bits. Not for {@link #F32}. */
  short round(float value) {
    return this == BF16 ? Half.toBf16(value) : Half.toF16(value);
  }

  /** The value of a 16-bit element, as the bits of the same float32. Not for {@link #F32}. */
  int widen(short element) {
    return this == BF16 ? element << 16 : Half.f16ToF32Bits(element);
  }
}
