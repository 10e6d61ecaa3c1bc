package io.peft4j.quant;

import java.util.Locale;

/** How a weight is stored. */
public enum QuantType {
  /**
   * 4-bit NormalFloat: 16 levels at quantiles of the normal distribution, one scale a block
   * (Dettmers et al., QLoRA, 2023).
   */
  NF4,
  /** 4-bit float: a sign, two exponent bits, one mantissa bit, one scale a block. */
  FP4,
  /** 8-bit integers, one scale a row (Dettmers et al., LLM.int8(), 2022). */
  INT8;

  /** The type's name in files and on the command line: {@code nf4}, {@code fp4}, {@code int8}. */
  public String id() {
    return name().toLowerCase(Locale.ROOT);
  }

  /** Whether two elements share a byte. */
  public boolean is4Bit() {
    return this != INT8;
  }

  /**
   * The type called {@code id}.
   *
   * @throws QuantizationException if there is none
   */
  public static QuantType of(String id) {
    for (QuantType type : values()) {
      if (type.id().equals(id)) {
        return type;
      }
    }
    throw new QuantizationException(
        "unknown quantization type '" + id + "', expected nf4, fp4 or int8");
  }

  /**
   * The 16 levels of a 4-bit type.
   *
   * @throws QuantizationException of int8, which has none
   */
  public Codebook levels() {
    return switch (this) {
      case NF4 -> Codebook.NF4;
      case FP4 -> Codebook.FP4;
      case INT8 -> throw new QuantizationException("int8 has no code book");
    };
  }
}
