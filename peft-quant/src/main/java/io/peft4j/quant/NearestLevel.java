package io.peft4j.quant;

import java.util.stream.IntStream;

/**
 * Finds the code of a scaled value in [-1, 1] without a branch: the interval is cut into buckets so
 * narrow that each holds at most one threshold, so a table lookup and one comparison decide.
 *
 * <p>The bucket number grows with the value whatever the rounding, so the result is exactly that of
 * counting the thresholds below the value. Thresholds are the midpoints of neighbouring levels in
 * float32; a value on a threshold takes the lower level.
 */
final class NearestLevel {
  static final NearestLevel NF4 = new NearestLevel(Codebook.NF4);
  static final NearestLevel FP4 = new NearestLevel(Codebook.FP4);

  private final float bucketsPerUnit;
  private final float[] threshold;

  /** The codes at or below a bucket's threshold and above it, in turn. */
  private final byte[] codes;

  private NearestLevel(Codebook book) {
    int[] order =
        IntStream.range(0, book.size())
            .boxed()
            .sorted(
                (a, b) ->
                    book.level(a) < book.level(b) ? -1 : book.level(a) > book.level(b) ? 1 : 0)
            .mapToInt(Integer::intValue)
            .toArray();
    float[] midpoints = new float[order.length - 1];
    float narrowest = 2;
    for (int i = 0; i < midpoints.length; i++) {
      midpoints[i] = (book.level(order[i]) + book.level(order[i + 1])) / 2;
      narrowest = i == 0 ? narrowest : Math.min(narrowest, midpoints[i] - midpoints[i - 1]);
    }
    int perUnit = Integer.highestOneBit((int) (1 / narrowest)) * 2;
    bucketsPerUnit = perUnit;
    int buckets = 2 * perUnit + 2; // scaled values may exceed 1 by a rounding
    threshold = new float[buckets];
    codes = new byte[2 * buckets];
    int below = 0;
    for (int b = 0; b < buckets; b++) {
      boolean holdsOne = below < midpoints.length && bucket(midpoints[below]) == b;
      threshold[b] = holdsOne ? midpoints[below] : Float.MAX_VALUE;
      codes[2 * b] = (byte) order[below];
      below += holdsOne ? 1 : 0;
      codes[2 * b + 1] = (byte) order[below];
    }
  }

  static NearestLevel of(QuantType type) {
    return switch (type) {
      case NF4 -> NF4;
      case FP4 -> FP4;
      case INT8 -> throw new QuantizationException("int8 has no code book");
    };
  }

  /**
   * Packs the codes of {@code bits[at..at + length)} times {@code factor}, two a byte; products are
   * in [-1, 1] but for rounding.
   */
  void packScaled(int[] bits, int at, int length, float factor, byte[] packed, int to) {
    float[] threshold = this.threshold;
    byte[] codes = this.codes;
    float bucketsPerUnit = this.bucketsPerUnit;
    for (int i = at, target = to; i < at + length; i += 2, target++) {
      float first = Float.intBitsToFloat(bits[i]) * factor;
      float second = Float.intBitsToFloat(bits[i + 1]) * factor;
      int high = (int) ((first + 1f) * bucketsPerUnit);
      int low = (int) ((second + 1f) * bucketsPerUnit);
      packed[target] =
          (byte)
              (codes[2 * high + above(threshold[high], first)] << 4
                  | codes[2 * low + above(threshold[low], second)]);
    }
  }

  /** The same for a short last block, where bitsandbytes divides. */
  void packDivided(int[] bits, int at, int length, float divisor, byte[] packed, int to) {
    for (int i = 0; i < length; i += 2) {
      int high = code(Float.intBitsToFloat(bits[at + i]) / divisor);
      int low = code(Float.intBitsToFloat(bits[at + i + 1]) / divisor);
      packed[to + i / 2] = (byte) (high << 4 | low);
    }
  }

  private int code(float scaled) {
    int bucket = bucket(scaled);
    return codes[2 * bucket + above(threshold[bucket], scaled)];
  }

  private int bucket(float scaled) {
    return (int) ((scaled + 1f) * bucketsPerUnit);
  }

  /** 1 if the value lies above the threshold, the sign of their difference; else 0. */
  private static int above(float threshold, float value) {
    return Float.floatToRawIntBits(threshold - value) >>> 31;
  }
}
