package io.peft4j.quant;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Locale;
import java.util.Objects;

/**
 * A weight in NF4 or FP4: row-major, cut into blocks of consecutive elements across rows, each with
 * its largest magnitude as scale.
 */
public final class FourBitTensor implements QuantizedTensor {
  private final QuantType type;
  private final int blockSize;
  private final FloatType sourceType;
  private final long[] shape;
  private final int count;
  private final ByteBuffer codes;
  private final BlockScales scales;

  /**
   * @param type NF4 or FP4
   * @param blockSize elements a block, a power of two from 32 to 4096
   * @param sourceType the weight's type before quantization
   * @param shape the weight's shape before quantization
   * @param codes {@code ceil(count / 2)} bytes from position to limit; shared, not copied
   * @param scales one a block
   * @throws QuantizationException if these do not fit each other
   */
  public FourBitTensor(
      QuantType type,
      int blockSize,
      FloatType sourceType,
      long[] shape,
      ByteBuffer codes,
      BlockScales scales) {
    if (!type.is4Bit()) {
      throw new QuantizationException(type.id() + " is no 4-bit type");
    }
    QuantizationConfig.checkBlockSize(blockSize);
    this.type = type;
    this.blockSize = blockSize;
    this.sourceType = Objects.requireNonNull(sourceType);
    this.shape = shape.clone();
    this.count = Shapes.count(shape);
    this.codes = codes.slice().asReadOnlyBuffer();
    this.scales = scales;
    int bytes = packedBytes(count);
    if (this.codes.remaining() != bytes) {
      throw new QuantizationException(
          String.format(
              Locale.ROOT,
              "shape %s takes %d bytes of codes, found %d",
              Shapes.text(shape),
              bytes,
              this.codes.remaining()));
    }
    if (scales.count() != blocks()) {
      throw new QuantizationException(
          String.format(
              Locale.ROOT,
              "shape %s in blocks of %d takes %d scales, found %d",
              Shapes.text(shape),
              blockSize,
              blocks(),
              scales.count()));
    }
    if (scales instanceof BlockScales.Nested nested) {
      checkNested(nested);
    }
  }

  private static void checkNested(BlockScales.Nested nested) {
    QuantizationConfig.checkBlockSize(nested.blockSize());
    int expected = (nested.count() + nested.blockSize() - 1) / nested.blockSize();
    if (nested.absmax().length != expected) {
      throw new QuantizationException(
          String.format(
              Locale.ROOT,
              "%d nested scales in blocks of %d take %d scales, found %d",
              nested.count(),
              nested.blockSize(),
              expected,
              nested.absmax().length));
    }
    if (!Float.isFinite(nested.offset())) {
      throw new QuantizationException("the nested offset is " + nested.offset());
    }
  }

  static int packedBytes(int count) {
    return (int) ((count + 1L) / 2);
  }

  @Override
  public QuantType type() {
    return type;
  }

  /** Elements a block. */
  public int blockSize() {
    return blockSize;
  }

  int blocks() {
    return (int) (((long) count + blockSize - 1) / blockSize);
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

  @Override
  public ByteBuffer codes() {
    return codes.duplicate().order(ByteOrder.LITTLE_ENDIAN);
  }

  @Override
  public QuantizationConfig config() {
    return QuantizationConfig.of(type)
        .withBlockSize(blockSize)
        .withDoubleQuant(scales instanceof BlockScales.Nested);
  }

  @Override
  public FourBitTensor withCodes(ByteBuffer other) {
    return new FourBitTensor(type, blockSize, sourceType, shape, other, scales);
  }

  @Override
  public FourBitTensor withSourceType(FloatType other) {
    return new FourBitTensor(type, blockSize, other, shape, codes, scales);
  }

  /** The blocks' scales. */
  public BlockScales scales() {
    return scales;
  }

  @Override
  public long storedBytes() {
    return codes.remaining() + scales.storedBytes() + 4L * type.levels().size();
  }
}
