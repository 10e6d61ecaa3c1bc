package io.peft4j.safetensors;

import java.util.Optional;

/**
 * The element types of the safetensors format, by the names that files have for them. Values are
 * little-endian.
 *
 * <p>They stand in the order in which the reference implementation lays tensors out in a file. A
 * file may hold tensors of all of them; what a model can be loaded from is fewer.
 */
public enum DType {
  U64(64),
  I64(64),
  F64(64),
  /** Two float32, the real part first. */
  C64(64),
  F32(32),
  U32(32),
  I32(32),
  BF16(16),
  F16(16),
  U16(16),
  I16(16),
  F8_E5M2FNUZ(8),
  F8_E4M3FNUZ(8),
  F8_E8M0(8),
  F8_E4M3(8),
  F8_E5M2(8),
  I8(8),
  U8(8),
  F6_E3M2(6),
  F6_E2M3(6),
  F4(4),
  /** One byte an element, 0 or 1. */
  BOOL(8);

  private final int bits;

  DType(int bits) {
    this.bits = bits;
  }

  /** The size of one element, in bits. */
  public int bits() {
    return bits;
  }

  /**
   * The size of one element, in bytes.
   *
   * @throws IllegalStateException if an element is less than a byte
   */
  public int bytes() {
    if (bits % Byte.SIZE != 0) {
      throw new IllegalStateException("an element of " + this + " has " + bits + " bits");
    }
    return bits / Byte.SIZE;
  }

  static Optional<DType> named(String name) {
    for (DType type : values()) {
      if (type.name().equals(name)) {
        return Optional.of(type);
      }
    }
    return Optional.empty();
  }
}
