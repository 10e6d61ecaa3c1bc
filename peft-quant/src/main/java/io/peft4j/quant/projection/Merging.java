package io.peft4j.quant.projection;

/** What becomes of a packed weight into which an adapter is merged. */
public enum Merging {
  /** It stays dense, in the type that matmuls run in: only that rounding is added. */
  DENSE,
  /** It is quantized again, as the base is: as small as before, with a new quantization error. */
  REQUANTIZE
}
