package io.peft4j.quant;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Locale;
import java.util.Objects;

/**
 * A matrix in 8-bit integers from -127 to 127 with its rows' largest magnitudes as scales. Columns
 * with outliers may be held apart in float16; their codes are 0.
 */
public final class Int8Tensor implements QuantizedTensor {
  private final FloatType sourceType;
  private final long[] shape;
  private final int count;
  private final ByteBuffer codes;
  private final float[] rowAbsmax;
  private final Outliers outliers;

  /**
   * The columns kept in higher precision.
   *
   * @param columns their indices, ascending
   * @param values {@code [rows, columns.length]} float16 elements, row-major
   */
  public record Outliers(int[] columns, short[] values) {
    /** No outliers. */
    public static final Outliers NONE = new Outliers(new int[0], new short[0]);
  }

  /**
   * @param sourceType the weight's type before quantization
   * @param shape {@code [rows, columns]}
   * @param codes one signed byte an element, from position to limit; shared, not copied
   * @param rowAbsmax one scale a row; shared, not copied
   * @param outliers columns held apart
   * @throws QuantizationException if these do not fit each other
   */
  public Int8Tensor(
      FloatType sourceType, long[] shape, ByteBuffer codes, float[] rowAbsmax, Outliers outliers) {
    this.sourceType = Objects.requireNonNull(sourceType);
    this.shape = checkMatrix(shape).clone();
    this.count = Shapes.count(shape);
    this.codes = codes.slice().asReadOnlyBuffer();
    this.rowAbsmax = rowAbsmax;
    this.outliers = outliers;
    if (this.codes.remaining() != count || rowAbsmax.length != shape[0]) {
      throw new QuantizationException(
          String.format(
              Locale.ROOT,
              "shape %s takes %d codes and %d row scales, found %d and %d",
              Shapes.text(shape),
              count,
              shape[0],
              this.codes.remaining(),
              rowAbsmax.length));
    }
    checkOutliers();
  }

  static long[] checkMatrix(long[] shape) {
    if (shape.length != 2) {
      throw new QuantizationException(
          "int8 scales rows, expected a matrix, found shape " + Shapes.text(shape));
    }
    return shape;
  }

  private void checkOutliers() {
    int[] columns = outliers.columns();
    if (outliers.values().length != columns.length * shape[0]) {
      throw new QuantizationException(
          String.format(
              Locale.ROOT,
              "%d outlier columns of %d rows take %d values, found %d",
              columns.length,
              shape[0],
              columns.length * shape[0],
              outliers.values().length));
    }
    for (int i = 0; i < columns.length; i++) {
      if (columns[i] < 0 || columns[i] >= shape[1] || (i > 0 && columns[i] <= columns[i - 1])) {
        throw new QuantizationException(
            String.format(
                Locale.ROOT,
                "outlier columns must ascend within shape %s, found %d",
                Shapes.text(shape),
                columns[i]));
      }
    }
  }

  @Override
  public QuantType type() {
    return QuantType.INT8;
  }

  @Override
  public FloatType sourceType() {
    return sourceType;
  }

  @Override
  public long[] shape() {
    return shape.clone();
  }

  @Override
  public int count() {
    return count;
  }

  int columns() {
    return (int) shape[1];
  }

  @Override
  public ByteBuffer codes() {
    return codes.duplicate().order(ByteOrder.LITTLE_ENDIAN);
  }

  /** {@inheritDoc} Outlier columns are not asked for again. */
  @Override
  public QuantizationConfig config() {
    return QuantizationConfig.of(QuantType.INT8);
  }

  @Override
  public Int8Tensor withCodes(ByteBuffer other) {
    return new Int8Tensor(sourceType, shape, other, rowAbsmax, outliers);
  }

  @Override
  public Int8Tensor withSourceType(FloatType other) {
    return new Int8Tensor(other, shape, codes, rowAbsmax, outliers);
  }

  /** The rows' scales; element {@code [r, c]} is {@code code / 127 * rowAbsmax[r]}. */
  public float[] rowAbsmax() {
    return rowAbsmax;
  }

  /** The columns held apart. */
  public Outliers outliers() {
    return outliers;
  }

  @Override
  public long storedBytes() {
    return codes.remaining()
        + 4L * rowAbsmax.length
        + 4L * outliers.columns().length
        + 2L * outliers.values().length;
  }
}
