package io.peft4j.quant;

/** Decoding of any quantized tensor, whole or in runs of units (a block, or a row of int8). */
final class Dequantizer {
  private Dequantizer() {}

  static void dequantize(QuantizedTensor tensor, FloatSink sink) {
    if (sink.capacity() < tensor.count()) {
      throw new QuantizationException(
          "a tensor of shape %s has %d elements, found room for %d %s elements"
              .formatted(
                  Shapes.text(tensor.shape()),
                  tensor.count(),
                  sink.capacity(),
                  sink.type().torchName()));
    }
    Parallel.run(
        units(tensor), unitElements(tensor), (from, to) -> decode(tensor, from, to, sink, 0));
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
