package io.peft4j.quant;

import java.util.Arrays;
import java.util.Locale;

/** Decoding of any quantized tensor, whole or in runs of units (a block, or a row of int8). */
final class Dequantizer {
  private Dequantizer() {}

  static void dequantize(QuantizedTensor tensor, FloatSink sink) {
    if (sink.capacity() < tensor.count()) {
      throw new QuantizationException(
          String.format(
              Locale.ROOT,
              "a tensor of shape %s has %d elements, found room for %d %s elements",
              Shapes.text(tensor.shape()),
              tensor.count(),
              sink.capacity(),
              sink.type().torchName()));
    }
    Parallel.run(
        units(tensor), unitElements(tensor), (from, to) -> decode(tensor, from, to, sink, 0));
  }

  static float[] rows(QuantizedTensor tensor, int from, int to) {
    long[] shape = tensor.shape();
    if (shape.length != 2 || from < 0 || from > to || to > shape[0]) {
      throw new QuantizationException(
          String.format(
              Locale.ROOT, "shape %s has no rows %d to %d", Shapes.text(shape), from, to));
    }
    int columns = (int) shape[1];
    int unit = unitElements(tensor);
    int firstUnit = from * columns / unit;
    int endUnit = (int) (((long) to * columns + unit - 1) / unit);
    int origin = firstUnit * unit;
    float[] decoded = new float[(int) Math.min(tensor.count(), (long) endUnit * unit) - origin];
    decode(tensor, firstUnit, endUnit, FloatSink.of(decoded), origin);
    int skip = from * columns - origin;
    return skip == 0 && decoded.length == (to - from) * columns
        ? decoded
        : Arrays.copyOfRange(decoded, skip, skip + (to - from) * columns);
  }

  /** Elements in a unit of decoding. */
  static int unitElements(QuantizedTensor tensor) {
    return tensor instanceof FourBitTensor fourBit
        ? fourBit.blockSize()
        : ((Int8Tensor) tensor).columns();
  }

  private static int units(QuantizedTensor tensor) {
    return (int) (((long) tensor.count() + unitElements(tensor) - 1) / unitElements(tensor));
  }

  /** Writes the units {@code [from, to)}; element {@code origin} is the sink's first. */
  static void decode(QuantizedTensor tensor, int from, int to, FloatSink sink, int origin) {
    if (tensor instanceof FourBitTensor fourBit) {
      FourBitCodec.decode(fourBit, from, to, sink, origin);
    } else {
      Int8Codec.decode((Int8Tensor) tensor, from, to, sink, origin);
    }
  }
}
