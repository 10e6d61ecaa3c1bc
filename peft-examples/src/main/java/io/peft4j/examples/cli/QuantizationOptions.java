package io.peft4j.examples.cli;

import io.peft4j.quant.FloatType;
import io.peft4j.quant.QuantType;
import io.peft4j.quant.QuantizationConfig;
import io.peft4j.quant.projection.QuantizedFormat;
import java.util.List;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Option;
import picocli.CommandLine.TypeConversionException;

/** How weights are quantized; the names follow transformers' {@code BitsAndBytesConfig}. */
final class QuantizationOptions {

  @Option(
      names = {"--quantization", "--bnb-4bit-quant-type"},
      converter = TypeConverter.class,
      description = "Keep the base's linear layers in few bits: nf4, fp4 or int8. Default: dense.")
  private QuantType type;

  @AppliesTo(
      needs = {"--quantization", "--method=qlora"},
      unless = "--quantization=int8")
  @Option(
      names = {"--double-quant", "--bnb-4bit-use-double-quant"},
      negatable = true,
      fallbackValue = "true",
      description = "Quantize the scales of nf4 and fp4 too. Default: with --method qlora.")
  private Boolean doubleQuant;

  @AppliesTo(
      needs = {"--quantization", "--method=qlora"},
      unless = "--quantization=int8")
  @Option(
      names = "--block-size",
      description =
          "Weights that share a scale, 32 to 4096. Default: "
              + QuantizationConfig.DEFAULT_BLOCK_SIZE
              + ".")
  private Integer blockSize;

  @AppliesTo(needs = {"--quantization", "--method=qlora"})
  @Option(
      names = {"--compute-dtype", "--bnb-4bit-compute-dtype"},
      description = "bfloat16 or float32, for products with packed weights. Default: bfloat16.")
  private String computeType;

  @AppliesTo(needs = {"--quantization", "--method=qlora"})
  @Option(
      names = {"--skip-modules", "--llm-int8-skip-modules"},
      split = ",",
      description = "Modules to keep dense, besides output heads.")
  private List<String> skip = List.of();

  /** Reads {@link QuantType} by bitsandbytes' names. */
  static final class TypeConverter implements ITypeConverter<QuantType> {
    @Override
    public QuantType convert(String value) {
      try {
        return QuantType.of(value);
      } catch (IllegalArgumentException e) {
        throw new TypeConversionException(e.getMessage());
      }
    }
  }

  /** {@return the modules to keep dense} */
  List<String> skip() {
    return skip;
  }

  /**
   * {@return what is asked for, or null for weights as they are stored}
   *
   * @param qlora whether NF4 with double quantization is what is not said otherwise
   * @throws IllegalArgumentException if it is said how to quantize, but not to what
   */
  QuantizationConfig config(boolean qlora) {
    if (type == null && !qlora) {
      if (doubleQuant != null || blockSize != null || computeType != null || !skip.isEmpty()) {
        throw new IllegalArgumentException(
            "--double-quant, --block-size, --compute-dtype and --skip-modules go with"
                + " --quantization, which is not given");
      }
      return null;
    }
    QuantType settled = type == null ? QuantType.NF4 : type;
    boolean doubled = doubleQuant == null ? qlora && settled.is4Bit() : doubleQuant;
    QuantizationConfig config = QuantizationConfig.of(settled).withDoubleQuant(doubled);
    if (blockSize != null) {
      config = config.withBlockSize(blockSize);
    }
    return computeType == null
        ? config
        : config.withComputeType(FloatType.ofTorchName(computeType));
  }

  /**
   * {@return the format that weights are asked to be in, or null for the one they are stored in}
   *
   * @param qlora as for {@link #config}
   */
  QuantizedFormat format(boolean qlora) {
    QuantizationConfig config = config(qlora);
    return config == null ? null : QuantizedFormat.of(config).skipping(skip);
  }
}
