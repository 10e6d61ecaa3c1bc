package io.peft4j.quant;

import java.nio.ByteBuffer;
import java.util.Locale;

/**
 * Quantizes weights, with all cores, to the bytes that bitsandbytes' CPU backend gives.
 *
 * <pre>{@code
 * Quantizer quantizer = new Quantizer(QuantizationConfig.nf4().withDoubleQuant(true));
 * QuantizedTensor packed = quantizer.quantize(buffer, FloatType.BF16, 4096, 4096);
 * packed.dequantize(target, FloatType.BF16);
 * }</pre>
 *
 * @param config how
 */
public record Quantizer(QuantizationConfig config) {

  /**
   * Quantizes the elements between the buffer's position and limit, which do not move.
   *
   * @param weight row-major little-endian elements, in direct, mapped or heap memory
   * @param type the elements' type
   * @param shape the weight's shape; int8 wants a matrix
   * @throws QuantizationException if the shape does not fit the buffer, or an element is infinite
   *     or NaN
   */
  public QuantizedTensor quantize(ByteBuffer weight, FloatType type, long... shape) {
    return quantize(FloatSource.of(weight, type), shape);
  }

  /**
   * Quantizes float32 weights.
   *
   * @see #quantize(ByteBuffer, FloatType, long...)
   */
  public QuantizedTensor quantize(float[] weight, long... shape) {
    return quantize(FloatSource.of(weight), shape);
  }

  private QuantizedTensor quantize(FloatSource source, long[] shape) {
    if (source.count() != Shapes.count(shape)) {
      throw new QuantizationException(
          String.format(
              Locale.ROOT,
              "shape %s has %d elements, found %d",
              Shapes.text(shape),
              Shapes.count(shape),
              source.count()));
    }
    return config.type().is4Bit()
        ? FourBitCodec.encode(source, shape, config)
        : Int8Codec.encode(source, shape, config);
  }
}
