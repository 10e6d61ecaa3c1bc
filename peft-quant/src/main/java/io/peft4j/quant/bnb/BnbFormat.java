package io.peft4j.quant.bnb;

import io.peft4j.quant.BlockScales;
import io.peft4j.quant.FourBitTensor;
import io.peft4j.quant.Int8Tensor;
import io.peft4j.quant.QuantType;
import io.peft4j.quant.QuantizationException;
import io.peft4j.quant.QuantizedTensor;
import io.peft4j.safetensors.Checkpoint;
import io.peft4j.safetensors.DType;
import io.peft4j.safetensors.TensorSource;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * bitsandbytes' layout of quantized weights in safetensors files.
 *
 * <p>A 4-bit weight {@code m.weight} is U8 {@code [(n + 1) / 2, 1]} with
 *
 * <ul>
 *   <li>{@code m.weight.absmax}: F32 scales, or U8 codes of them with double quantization
 *   <li>{@code m.weight.quant_map}: F32 [16], the levels
 *   <li>{@code m.weight.nested_absmax}, {@code m.weight.nested_quant_map}: F32, of the codes
 *   <li>{@code m.weight.quant_state.bitsandbytes__nf4} (or {@code __fp4}): the bytes of a JSON
 *       object, see {@link QuantState}
 * </ul>
 *
 * An int8 weight is I8 of its own shape with {@code m.SCB}, F32 row scales, and {@code
 * m.weight_format}, a U8 scalar that is 0 for row-major.
 */
public final class BnbFormat {
  static final String ABSMAX = ".absmax";
  static final String QUANT_MAP = ".quant_map";
  static final String NESTED_ABSMAX = ".nested_absmax";
  static final String NESTED_QUANT_MAP = ".nested_quant_map";
  static final String QUANT_STATE = ".quant_state.bitsandbytes__";
  private static final String WEIGHT = ".weight";
  private static final Pattern PART =
      Pattern.compile(
          "(.*)\\.(weight\\.((nested_)?(absmax|quant_map)|quant_state\\.bitsandbytes__(nf4|fp4))|SCB|weight_format)");

  private BnbFormat() {}

  /** The name of an int8 weight's row scales. */
  static String rowScales(String weight) {
    return module(weight) + ".SCB";
  }

  /** The name of an int8 weight's layout. */
  static String weightFormat(String weight) {
    return module(weight) + ".weight_format";
  }

  /** The weight that a tensor of that name is a part of, or null. */
  public static String weightOf(String tensor) {
    Matcher part = PART.matcher(tensor);
    return !part.matches() ? null : part.group(1) + WEIGHT;
  }

  private static String module(String weight) {
    if (!weight.endsWith(WEIGHT)) {
      throw new QuantizationException(
          String.format(
              Locale.ROOT, "an int8 weight's name ends in '.weight', found '%s'", weight));
    }
    return weight.substring(0, weight.length() - WEIGHT.length());
  }

  /**
   * The tensors that a quantized weight is in a file.
   *
   * @param weight the weight's name, such as {@code model.layers.0.mlp.up_proj.weight}
   * @throws QuantizationException if the weight is int8 with outlier columns, for which
   *     bitsandbytes has no layout
   */
  public static List<TensorSource> write(String weight, QuantizedTensor tensor) {
    return tensor instanceof FourBitTensor fourBit
        ? writeFourBit(weight, fourBit)
        : writeInt8(weight, (Int8Tensor) tensor);
  }

  private static List<TensorSource> writeFourBit(String weight, FourBitTensor tensor) {
    List<TensorSource> parts = new ArrayList<>();
    ByteBuffer codes = tensor.codes();
    parts.add(TensorSource.of(weight, DType.U8, List.of((long) codes.remaining(), 1L), codes));
    if (tensor.scales() instanceof BlockScales.Nested nested) {
      parts.add(bytes(weight + ABSMAX, nested.codes()));
      parts.add(floats(weight + NESTED_ABSMAX, nested.absmax()));
      parts.add(floats(weight + NESTED_QUANT_MAP, nested.map().toArray()));
    } else {
      parts.add(floats(weight + ABSMAX, ((BlockScales.Plain) tensor.scales()).absmax()));
    }
    parts.add(floats(weight + QUANT_MAP, tensor.type().levels().toArray()));
    QuantState state = QuantState.of(tensor);
    parts.add(bytes(weight + QUANT_STATE + tensor.type().id(), state.toJson()));
    return parts;
  }

  private static List<TensorSource> writeInt8(String weight, Int8Tensor tensor) {
    if (tensor.outliers().columns().length > 0) {
      throw new QuantizationException(
          String.format(
              Locale.ROOT,
              "'%s' keeps %d outlier columns apart, for which bitsandbytes has no layout",
              weight,
              tensor.outliers().columns().length));
    }
    long[] shape = tensor.shape();
    return List.of(
        TensorSource.of(weight, DType.I8, List.of(shape[0], shape[1]), tensor.codes()),
        floats(rowScales(weight), tensor.rowAbsmax()),
        TensorSource.of(
            weightFormat(weight), DType.U8, List.of(), ByteBuffer.wrap(new byte[] {0})));
  }

  private static TensorSource bytes(String name, byte[] values) {
    return TensorSource.of(name, DType.U8, List.of((long) values.length), ByteBuffer.wrap(values));
  }

  private static TensorSource floats(String name, float[] values) {
    ByteBuffer bytes = ByteBuffer.allocate(4 * values.length).order(ByteOrder.LITTLE_ENDIAN);
    bytes.asFloatBuffer().put(values);
    return TensorSource.of(name, DType.F32, List.of((long) values.length), bytes);
  }

  /**
   * Whether {@code weight} is stored quantized in {@code checkpoint}.
   *
   * @param weight a tensor's name
   */
  public static boolean isQuantized(Checkpoint checkpoint, String weight) {
    return isFourBit(checkpoint, weight)
        || (weight.endsWith(WEIGHT) && checkpoint.names().contains(rowScales(weight)));
  }

  /** Whether any part says so: one that is missing is then missed by name. */
  private static boolean isFourBit(Checkpoint checkpoint, String weight) {
    return Stream.of(QUANT_MAP, QUANT_STATE + QuantType.NF4.id(), QUANT_STATE + QuantType.FP4.id())
        .anyMatch(part -> checkpoint.names().contains(weight + part));
  }

  /**
   * Reads a quantized weight. Its codes stay the checkpoint's mapped pages, so that the tensor is
   * dead when the checkpoint closes; scales are copied.
   *
   * @throws QuantizationException if a part is missing or does not fit the others; the message
   *     names file and part
   */
  public static QuantizedTensor read(Checkpoint checkpoint, String weight) {
    BnbReader reader = new BnbReader(checkpoint, weight);
    return isFourBit(checkpoint, weight) ? reader.readFourBit() : reader.readInt8();
  }
}
