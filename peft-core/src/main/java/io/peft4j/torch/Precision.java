package io.peft4j.torch;

import ai.djl.ndarray.NDArray;

/** The element type that a model computes in. Adapters and optimizer state are always float32. */
public enum Precision {
  /** IEEE single precision. */
  FLOAT32,
  /** The upper half of a float32: 8 exponent bits, 8 significant bits. */
  BFLOAT16;

  /**
   * @return {@code x} in this type, on {@code x}'s manager; a new array, or a second handle to the
   *     same data where the type is already right
   */
  public NDArray cast(NDArray x) {
    return this == BFLOAT16 ? Ops.toBfloat16(x) : Ops.toFloat32(x);
  }

  /** {@return {@code x} itself where it has this type already, else {@link #cast}} */
  public NDArray typed(NDArray x) {
    return Ops.isBfloat16(x) == (this == BFLOAT16) ? x : cast(x);
  }

  /** {@return bytes an element} */
  public int bytes() {
    return this == BFLOAT16 ? Short.BYTES : Float.BYTES;
  }
}
