package io.peft4j.quant;

import java.nio.ByteBuffer;
import java.util.BitSet;
import java.util.Locale;

/**
 * Coding and decoding of int8 rows as bitsandbytes' CPU backend does it, to the last bit. As there,
 * weights of other types are rounded to float16 first.
 */
final class Int8Codec {
  private static final float LARGEST_CODE = 127;
  private static final float INVERSE_OF_127 = 7.874015718698502e-3f;
  private static final float ROUNDER = 0x1.8p23f;
  private static final int SIGN = 0x8000_0000;

  private Int8Codec() {}

  static Int8Tensor encode(FloatSource source, long[] shape, QuantizationConfig config) {
    int rows = (int) Int8Tensor.checkMatrix(shape)[0];
    int columns = Shapes.count(shape) / rows;
    byte[] codes = new byte[rows * columns];
    float[] absmax = new float[rows];
    float threshold = config.outlierThreshold() == 0 ? Float.MAX_VALUE : config.outlierThreshold();
    BitSet outlierColumns = new BitSet();
    Parallel.run(
        rows,
        columns,
        (from, to) -> {
          BitSet found = new BitSet();
          int[] bits = new int[columns];
          FloatSource.Reader reader = source.reader();
          for (int row = from; row < to; row++) {
            readAsF16(reader, source.type(), row * columns, bits);
            setApart(bits, threshold, found);
            absmax[row] = encodeRow(bits, row * columns, codes);
          }
          synchronized (outlierColumns) {
            outlierColumns.or(found);
          }
        });
    int[] apart = outlierColumns.stream().toArray();
    Int8Tensor.Outliers outliers = keep(source, rows, columns, apart, codes);
    return new Int8Tensor(source.type(), shape, ByteBuffer.wrap(codes), absmax, outliers);
  }

  private static void readAsF16(FloatSource.Reader reader, FloatType type, int start, int[] bits) {
    reader.read(start, bits, bits.length);
    Magnitude.largest(bits, 0, bits.length, start);
    if (type == FloatType.F16) {
      return;
    }
    for (int i = 0; i < bits.length; i++) {
      int narrowed = Half.f16ToF32Bits(Half.toF16(Float.intBitsToFloat(bits[i])));
      if (!Float.isFinite(Float.intBitsToFloat(narrowed))) {
        throw new QuantizationException(
            String.format(
                Locale.ROOT,
                "element %d is %s, beyond float16, in which int8 is computed",
                start + (long) i,
                Float.intBitsToFloat(bits[i])));
      }
      bits[i] = narrowed;
    }
  }

  private static void setApart(int[] bits, float threshold, BitSet columns) {
    for (int i = 0; i < bits.length; i++) {
      if (Float.intBitsToFloat(bits[i] & ~SIGN) >= threshold) {
        columns.set(i);
        bits[i] = 0;
      }
    }
  }

  private static float encodeRow(int[] bits, int start, byte[] codes) {
    float largest = Magnitude.largest(bits, 0, bits.length, start);
    if (largest == 0) {
      return largest;
    }
    float factor = 1 / largest * LARGEST_CODE;
    for (int i = 0; i < bits.length; i++) {
      // adding a number whose last bit is 1 rounds half to even, and leaves the integer in the low
      // bits
      float rounded = Float.intBitsToFloat(bits[i]) * factor + ROUNDER;
      codes[start + i] = (byte) Float.floatToRawIntBits(rounded);
    }
    return largest;
  }

  /** Zeroes the codes of outlier columns and reads their values. */
  private static Int8Tensor.Outliers keep(
      FloatSource source, int rows, int columns, int[] apart, byte[] codes) {
    if (apart.length == 0) {
      return Int8Tensor.Outliers.NONE;
    }
    short[] values = new short[rows * apart.length];
    int[] bits = new int[columns];
    FloatSource.Reader reader = source.reader();
    for (int row = 0; row < rows; row++) {
      reader.read(row * columns, bits, columns);
      for (int i = 0; i < apart.length; i++) {
        values[row * apart.length + i] = Half.toF16(Float.intBitsToFloat(bits[apart[i]]));
        codes[row * columns + apart[i]] = 0;
      }
    }
    return new Int8Tensor.Outliers(apart, values);
  }

  /** Writes the rows {@code [from, to)}; element {@code origin} is the sink's first. */
  static void decode(Int8Tensor tensor, int from, int to, FloatSink sink, int origin) {
    int columns = tensor.columns();
    ByteBuffer codes = tensor.codes();
    byte[] row = new byte[columns];
    float[] values = new float[columns];
    int[] pairs = new int[(columns + 1) / 2];
    for (int r = from; r < to; r++) {
      codes.get(r * columns, row, 0, columns);
      float scale = tensor.rowAbsmax()[r];
      for (int i = 0; i < columns; i++) {
        values[i] = row[i] * scale * INVERSE_OF_127;
      }
      putOutliers(tensor.outliers(), r, values);
      int start = r * columns - origin;
      if (sink.type() == FloatType.F32) {
        sink.write(start, values, columns);
      } else {
        sink.type().roundPairs(values, 0, columns, pairs);
        sink.write(start, pairs, columns);
      }
    }
  }

  private static void putOutliers(Int8Tensor.Outliers outliers, int row, float[] values) {
    int[] columns = outliers.columns();
    for (int i = 0; i < columns.length; i++) {
      short value = outliers.values()[row * columns.length + i];
      values[columns[i]] = Float.intBitsToFloat(Half.f16ToF32Bits(value));
    }
  }
}
