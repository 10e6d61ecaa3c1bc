package io.peft4j.quant;

import java.nio.ByteBuffer;

/** Coding and decoding of 4-bit blocks as bitsandbytes' CPU backend does it, to the last bit. */
final class FourBitCodec {
  /** What bitsandbytes puts in place of a scale that is smaller, lest its inverse overflow. */
  private static final float SMALLEST_SCALE = 1e-38f;

  /** Elements coded at a time: scratch that stays in the first-level cache. */
  private static final int CHUNK = 4096;

  private FourBitCodec() {}

  static FourBitTensor encode(FloatSource source, long[] shape, QuantizationConfig config) {
    int count = Shapes.count(shape);
    int blockSize = config.blockSize();
    byte[] codes = new byte[FourBitTensor.packedBytes(count)];
    float[] absmax = new float[(int) (((long) count + blockSize - 1) / blockSize)];
    NearestLevel nearest = NearestLevel.of(config.type());
    Parallel.run(
        absmax.length,
        blockSize,
        (from, to) -> encode(source, count, blockSize, nearest, from, to, absmax, codes));
    BlockScales scales =
        config.doubleQuant() ? BlockScales.nest(absmax) : new BlockScales.Plain(absmax);
    return new FourBitTensor(
        config.type(), blockSize, source.type(), shape, ByteBuffer.wrap(codes), scales);
  }

  private static void encode(
      FloatSource source,
      int count,
      int blockSize,
      NearestLevel nearest,
      int from,
      int to,
      float[] absmax,
      byte[] codes) {
    FloatSource.Reader reader = source.reader();
    int blocksAtOnce = CHUNK / blockSize;
    int[] bits = new int[CHUNK + 1];
    for (int block = from; block < to; block += blocksAtOnce) {
      int start = block * blockSize;
      int end = (int) Math.min(count, (long) Math.min(to, block + blocksAtOnce) * blockSize);
      reader.read(start, bits, end - start);
      bits[end - start] = 0; // an odd count is padded with a zero
      for (int b = block, at = 0; at < end - start; b++, at += blockSize) {
        int length = Math.min(blockSize, end - start - at);
        float largest = Magnitude.largest(bits, at, length, start + at);
        if (length == blockSize) {
          absmax[b] = largest;
          float inverse = 1 / Math.max(largest, SMALLEST_SCALE);
          nearest.packScaled(bits, at, length, inverse, codes, (start + at) / 2);
        } else {
          absmax[b] = Math.max(largest, SMALLEST_SCALE);
          nearest.packDivided(bits, at, length, absmax[b], codes, (start + at) / 2);
        }
      }
    }
  }

  /** Writes the blocks {@code [from, to)}; element {@code origin} is the sink's first. */
  static void decode(FourBitTensor tensor, int from, int to, FloatSink sink, int origin) {
    int blockSize = tensor.blockSize();
    int blocksAtOnce = CHUNK / blockSize;
    ByteBuffer codes = tensor.codes();
    byte[] packed = new byte[CHUNK / 2];
    BlockDecoder decoder = BlockDecoder.of(tensor.type().levels(), sink.type(), CHUNK);
    for (int block = from; block < to; block += blocksAtOnce) {
      int start = block * blockSize;
      int end =
          (int) Math.min(tensor.count(), (long) Math.min(to, block + blocksAtOnce) * blockSize);
      int bytes = FourBitTensor.packedBytes(end - start);
      codes.get(start / 2, packed, 0, bytes);
      for (int b = block, at = 0; at < bytes; b++, at += blockSize / 2) {
        int length = Math.min(blockSize / 2, bytes - at);
        decoder.decode(packed, at, length, tensor.scales().at(b));
      }
      decoder.flush(sink, start - origin, end - start);
    }
  }
}
