package io.peft4j.quant;

import java.nio.ByteBuffer;
import java.util.Locale;

/**
 * How far a quantized weight is from the dense one.
 *
 * @param count elements compared
 * @param meanAbsolute mean of {@code |restored - weight|}
 * @param meanRelative mean of {@code |restored - weight| / (|weight| + 1e-8)}
 * @param rootMeanSquare root of the mean squared difference
 * @param largest the largest absolute difference
 */
public record QuantizationError(
    long count, double meanAbsolute, double meanRelative, double rootMeanSquare, double largest) {
  private static final double RELATIVE_FLOOR = 1e-8;

  /** Elements compared at a time. */
  private static final int RUN = 4096;

  /**
   * Compares with all cores, a few blocks dense at a time.
   *
   * @param weight what was quantized: row-major little-endian elements from position to limit
   * @param type the elements' type
   * @throws QuantizationException if the sizes differ
   */
  public static QuantizationError measure(
      ByteBuffer weight, FloatType type, QuantizedTensor packed) {
    return measure(FloatSource.of(weight, type), packed);
  }

  /** Compares float32 weights; see {@link #measure(ByteBuffer, FloatType, QuantizedTensor)}. */
  public static QuantizationError measure(float[] weight, QuantizedTensor packed) {
    return measure(FloatSource.of(weight), packed);
  }

  /**
   * Compares two weights of float32 elements, little-endian, from position to limit.
   *
   * @throws QuantizationException if the sizes differ
   */
  public static QuantizationError between(ByteBuffer weight, ByteBuffer restored) {
    FloatSource expected = FloatSource.of(weight, FloatType.F32);
    FloatSource found = FloatSource.of(restored, FloatType.F32);
    if (expected.count() != found.count()) {
      throw new QuantizationException(
          String.format(
              Locale.ROOT, "cannot compare %d elements with %d", expected.count(), found.count()));
    }
    int count = Math.toIntExact(expected.count());
    Sums total = new Sums();
    Parallel.run(
        (count + RUN - 1) / RUN,
        RUN,
        (from, to) -> {
          int[] bits = new int[RUN];
          int[] other = new int[RUN];
          float[] values = new float[RUN];
          for (int run = from; run < to; run++) {
            int length = Math.min(RUN, count - run * RUN);
            expected.reader().read(run * RUN, bits, length);
            found.reader().read(run * RUN, other, length);
            for (int i = 0; i < length; i++) {
              values[i] = Float.intBitsToFloat(other[i]);
            }
            total.add(new Sums(bits, values, length));
          }
        });
    return total.over(count);
  }

  private static QuantizationError measure(FloatSource weight, QuantizedTensor packed) {
    int count = packed.count();
    if (weight.count() != count) {
      throw new QuantizationException(
          String.format(
              Locale.ROOT,
              "cannot compare %d elements with a quantized weight of %d",
              weight.count(),
              count));
    }
    int unit = Dequantizer.unitElements(packed);
    Sums total = new Sums();
    Parallel.run(
        (int) (((long) count + unit - 1) / unit),
        unit,
        (from, to) -> {
          int start = from * unit;
          int length = (int) Math.min(count, (long) to * unit) - start;
          float[] restored = new float[length];
          Dequantizer.decode(packed, from, to, FloatSink.of(restored), start);
          int[] bits = new int[length];
          weight.reader().read(start, bits, length);
          total.add(new Sums(bits, restored, length));
        });
    return total.over(count);
  }

  private static final class Sums {
    private double absolute;
    private double relative;
    private double squared;
    private double largest;

    Sums() {}

    Sums(int[] bits, float[] restored, int length) {
      for (int i = 0; i < length; i++) {
        float value = Float.intBitsToFloat(bits[i]);
        double difference = Math.abs((double) restored[i] - value);
        absolute += difference;
        relative += difference / (Math.abs(value) + RELATIVE_FLOOR);
        squared += difference * difference;
        largest = Math.max(largest, difference);
      }
    }

    QuantizationError over(int count) {
      return new QuantizationError(
          count, absolute / count, relative / count, Math.sqrt(squared / count), largest);
    }

    synchronized void add(Sums other) {
      absolute += other.absolute;
      relative += other.relative;
      squared += other.squared;
      largest = Math.max(largest, other.largest);
    }
  }
}
