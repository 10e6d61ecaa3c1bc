package io.peft4j.safetensors;

import java.util.Optional;

/**
 * The element types a safetensors file may hold here. Files name them by these names; values are
 * little-endian.
 *
 * <p>They stand in the order in which the reference implementation lays tensors out in a file.
 */
public enum DType {
  I64(8),
  F64(8),
  F32(4),
  I32(4),
  BF16(2),
  F16(2),
  I16(2),
  I8(1),
  U8(1),
  /** One byte an element, 0 or 1. */
  BOOL(1);

  private final int bytes;

  DType(int bytes) {
    this.bytes = bytes;
  }

  /** The size of one element, in bytes. */
  public int bytes() {
    return bytes;
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
