package io.peft4j.quant;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Objects;

/** How weights are quantized. */
public final class QuantizationConfig {

  /** bitsandbytes' default block size. */
  public static final int DEFAULT_BLOCK_SIZE = 64;

  private final QuantType type;
  private final int blockSize;
  private final boolean doubleQuant;
  private final FloatType computeType;
  private final float outlierThreshold;

  /**
   * @throws QuantizationException if the block size is unsupported, double quantization is asked of
   *     int8, or outliers of a 4-bit type
   */
  private QuantizationConfig(
      QuantType type,
      int blockSize,
      boolean doubleQuant,
      FloatType computeType,
      float outlierThreshold) {
    Objects.requireNonNull(type, "type");
    Objects.requireNonNull(computeType, "computeType");
    checkBlockSize(blockSize);
    if (doubleQuant && !type.is4Bit()) {
      throw new QuantizationException("double quantization is for nf4 and fp4, not " + type.id());
    }
    if (!(outlierThreshold >= 0) || (outlierThreshold > 0 && type.is4Bit())) {
      throw new QuantizationException(
          String.format(
              Locale.ROOT,
              "an outlier threshold is for int8 and at least 0, found %s for %s",
              outlierThreshold,
              type.id()));
    }
    this.type = type;
    this.blockSize = blockSize;
    this.doubleQuant = doubleQuant;
    this.computeType = computeType;
    this.outlierThreshold = outlierThreshold;
  }

  /** {@return the storage} */
  public QuantType type() {
    return type;
  }

  /**
   * {@return elements that share a scale: a power of two from 32 to 4096. Not used by int8, whose
   * scales are a row's}
   */
  public int blockSize() {
    return blockSize;
  }

  /**
   * {@return whether the scales of a 4-bit type are quantized too (0.127 bits a weight in place of
   * 0.5 at block 64)}
   */
  public boolean doubleQuant() {
    return doubleQuant;
  }

  /** {@return the type that matmuls on the weight run in} */
  public FloatType computeType() {
    return computeType;
  }

  /**
   * {@return int8 only: columns that hold a magnitude from here on are kept in float16
   * (LLM.int8()'s decomposition, applied to the weight); 0 keeps none}
   */
  public float outlierThreshold() {
    return outlierThreshold;
  }

  /** NF4 in blocks of 64 with plain scales, computing in bf16. */
  public static QuantizationConfig nf4() {
    return of(QuantType.NF4);
  }

  /** The type with blocks of 64 and plain scales, computing in bf16. */
  public static QuantizationConfig of(QuantType type) {
    return new QuantizationConfig(type, DEFAULT_BLOCK_SIZE, false, FloatType.BF16, 0);
  }

  /** This with another block size. */
  public QuantizationConfig withBlockSize(int size) {
    return new QuantizationConfig(type, size, doubleQuant, computeType, outlierThreshold);
  }

  /** This with or without double quantization. */
  public QuantizationConfig withDoubleQuant(boolean on) {
    return new QuantizationConfig(type, blockSize, on, computeType, outlierThreshold);
  }

  /** This with another compute type. */
  public QuantizationConfig withComputeType(FloatType compute) {
    return new QuantizationConfig(type, blockSize, doubleQuant, compute, outlierThreshold);
  }

  /** This with another outlier threshold. */
  public QuantizationConfig withOutlierThreshold(float threshold) {
    return new QuantizationConfig(type, blockSize, doubleQuant, computeType, threshold);
  }

  static void checkBlockSize(int size) {
    if (size < 32 || size > 4096 || Integer.bitCount(size) != 1) {
      throw new QuantizationException(
          "unsupported block size " + size + ", expected a power of two from 32 to 4096");
    }
  }

  private List<Object> values() {
    return Arrays.asList(type, blockSize, doubleQuant, computeType, outlierThreshold);
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof QuantizationConfig that && values().equals(that.values());
  }

  @Override
  public int hashCode() {
    return values().hashCode();
  }

  @Override
  public String toString() {
    return "QuantizationConfig" + values();
  }
}
