package io.peft4j.cli;

import io.peft4j.model.load.ModelConfig;
import io.peft4j.quant.FloatType;
import io.peft4j.quant.QuantType;
import io.peft4j.quant.QuantizationConfig;
import io.peft4j.quant.checkpoint.WeightSelection;
import io.peft4j.quant.projection.QuantizedFormat;
import io.peft4j.safetensors.Checkpoint;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Option;
import picocli.CommandLine.TypeConversionException;

/** How weights are quantized; the names follow transformers' {@code BitsAndBytesConfig}. */
@Heading("Quantization")
final class QuantizationOptions {

  /** They may be tied or yet to be made, and then have no weight. */
  private static final Set<String> HEADS = Set.of("lm_head", "score", "classifier");

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

  /**
   * Checks what is said of a base's weights against those it has.
   *
   * @throws IllegalArgumentException if a module to keep dense is none, or the base is stored
   *     quantized, so that it is too late to say how
   */
  void checkAgainst(Path folder) throws IOException {
    boolean stored = ModelConfig.read(folder).json().hasNonNull("quantization_config");
    if (stored && (doubleQuant != null || blockSize != null || !skip.isEmpty())) {
      throw new IllegalArgumentException(
          "--double-quant, --block-size and --skip-modules do nothing with "
              + folder
              + ", whose weights are stored quantized");
    }
    checkSkipped(folder);
  }

  /**
   * @throws IllegalArgumentException if there is no module of a name to skip
   */
  void checkSkipped(Path folder) throws IOException {
    if (skip.isEmpty()) {
      return;
    }
    WeightSelection all = (name, shape) -> WeightSelection.Choice.QUANTIZE;
    try (Checkpoint checkpoint = Checkpoint.open(folder)) {
      for (String module : skip) {
        WeightSelection but = all.keeping(List.of(module));
        boolean found =
            checkpoint.names().stream()
                .anyMatch(
                    name ->
                        but.choose(name, checkpoint.info(name).shape())
                            == WeightSelection.Choice.KEEP_LINEAR);
        if (!found && !HEADS.contains(module)) {
          throw new IllegalArgumentException(
              "--skip-modules: " + folder + " has no module '" + module + "'");
        }
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
   */
  QuantizationConfig config(boolean qlora) {
    if (type == null && !qlora) {
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
