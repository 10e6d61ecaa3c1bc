package io.peft4j.quant;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What is refused, and with which words; and that the ways in agree. */
class QuantizerFaultsTest {
  private static final Quantizer NF4 = new Quantizer(QuantizationConfig.nf4());

  private static void assertRefused(String words, Runnable work) {
    String message = assertThrows(QuantizationException.class, work::run).getMessage();
    assertTrue(message.contains(words), message);
  }

  @ParameterizedTest
  @EnumSource(QuantType.class)
  void refusesWhatIsNotFinite(QuantType type) {
    for (float bad : new float[] {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY}) {
      for (int at : new int[] {0, 63, 64, 4097, 4224}) {
        float[] values = DrawnTensor.normal(1, 65 * 65);
        values[at] = bad;
        assertRefused(
            "element " + at + " is " + bad,
            () -> new Quantizer(QuantizationConfig.of(type)).quantize(values, 65, 65));
      }
    }
  }

  @Test
  void refusesInfinitiesOfSixteenBits() {
    ByteBuffer halves = ByteBuffer.allocate(128).order(ByteOrder.LITTLE_ENDIAN);
    halves.putShort(20, (short) 0xfc00);
    assertRefused("element 10 is -Infinity", () -> NF4.quantize(halves, FloatType.F16, 64));
  }

  @Test
  void refusesInfiniteStates() {
    float[] values = {1, Float.NaN};
    assertRefused(
        "element 1 is NaN",
        () -> DynamicQuantizer.signed().quantize(values, 32, new byte[2], new float[1]));
  }

  @ParameterizedTest
  @ValueSource(ints = {0, -64, 1, 16, 48, 63, 8192})
  void refusesOtherBlockSizes(int size) {
    assertRefused(
        "unsupported block size " + size + ", expected a power of two from 32 to 4096",
        () -> QuantizationConfig.nf4().withBlockSize(size));
  }

  @Test
  void refusesShapesThatDoNotFit() {
    assertRefused("shape [3, 3] has 9 elements, found 8", () -> NF4.quantize(new float[8], 3, 3));
    assertRefused("shape [0, 3]", () -> NF4.quantize(new float[0], 0, 3));
    assertRefused("fewer than 2^31", () -> NF4.quantize(new float[1], 1L << 20, 1L << 20));
    assertRefused(
        "no whole number of float32", () -> NF4.quantize(ByteBuffer.allocate(7), FloatType.F32, 1));
    assertRefused(
        "expected a matrix, found shape [8]",
        () -> new Quantizer(QuantizationConfig.of(QuantType.INT8)).quantize(new float[8], 8));
  }

  @Test
  void refusesOptionsOfAnotherType() {
    assertRefused(
        "double quantization is for nf4 and fp4",
        () -> QuantizationConfig.of(QuantType.INT8).withDoubleQuant(true));
    assertRefused(
        "outlier threshold is for int8", () -> QuantizationConfig.nf4().withOutlierThreshold(6));
    assertRefused("unknown quantization type 'int4'", () -> QuantType.of("int4"));
  }

  @Test
  void refusesScalesWhoseMeanOverflows() {
    float[] values = new float[64 * 64];
    Arrays.fill(values, 3e38f);
    assertRefused(
        "mean of 64 block scales overflows",
        () ->
            new Quantizer(QuantizationConfig.nf4().withDoubleQuant(true)).quantize(values, 64, 64));
  }

  @Test
  void refusesWeightsBeyondFloat16AsInt8() {
    assertRefused(
        "element 1 is 70000.0, beyond float16",
        () ->
            new Quantizer(QuantizationConfig.of(QuantType.INT8))
                .quantize(new float[] {1, 70000}, 1, 2));
  }

  @Test
  void refusesPartsThatDoNotFit() {
    long[] shape = {3, 43}; // 129 elements, 65 bytes, 3 blocks
    ByteBuffer codes = ByteBuffer.allocate(65);
    assertRefused(
        "in blocks of 64 takes 3 scales, found 2",
        () ->
            new FourBitTensor(
                QuantType.NF4,
                64,
                FloatType.F32,
                shape,
                codes,
                new BlockScales.Plain(new float[2])));
    assertRefused(
        "takes 65 bytes of codes, found 64",
        () ->
            new FourBitTensor(
                QuantType.NF4,
                64,
                FloatType.F32,
                shape,
                ByteBuffer.allocate(64),
                new BlockScales.Plain(new float[3])));
    assertRefused(
        "3 nested scales in blocks of 256 take 1 scales, found 0",
        () ->
            new FourBitTensor(
                QuantType.NF4,
                64,
                FloatType.F32,
                shape,
                codes,
                new BlockScales.Nested(
                    new byte[3], Codebook.DYNAMIC_SIGNED, new float[0], 256, 0)));
    assertRefused(
        "takes 6 codes and 2 row scales, found 6 and 3",
        () ->
            new Int8Tensor(
                FloatType.F16,
                new long[] {2, 3},
                ByteBuffer.allocate(6),
                new float[3],
                Int8Tensor.Outliers.NONE));
  }

  @Test
  void refusesTooLittleRoom() {
    QuantizedTensor packed = NF4.quantize(new float[64], 8, 8);
    assertRefused(
        "has 64 elements, found room for 63",
        () -> packed.dequantize(ByteBuffer.allocate(126), FloatType.BF16));
    assertRefused("has no rows 7 to 9", () -> packed.dequantizeRows(7, 9));
  }

  @Test
  void heapDirectAndArrayInputsAgreeAndPositionsStay() {
    float[] values = DrawnTensor.normal(3, 333 * 77);
    ByteBuffer direct = ByteBuffer.allocateDirect(12 + 4 * values.length);
    direct.order(ByteOrder.LITTLE_ENDIAN).position(12);
    direct.slice().order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().put(values);
    ByteBuffer heap = ByteBuffer.allocate(4 * values.length).order(ByteOrder.LITTLE_ENDIAN);
    heap.asFloatBuffer().put(values);

    QuantizedTensor fromArray = NF4.quantize(values, 333, 77);
    assertEquals(fromArray.codes(), NF4.quantize(direct, FloatType.F32, 333, 77).codes());
    assertEquals(fromArray.codes(), NF4.quantize(heap, FloatType.F32, 333, 77).codes());
    assertEquals(12, direct.position());
    assertTrue(fromArray.codes().isReadOnly());
  }

  @ParameterizedTest
  @EnumSource(QuantType.class)
  void rowsAreThoseOfTheWhole(QuantType type) {
    QuantizedTensor packed =
        new Quantizer(QuantizationConfig.of(type)).quantize(DrawnTensor.normal(4, 21 * 39), 21, 39);
    float[] whole = packed.dequantize();
    for (int from = 0; from < 21; from += 4) {
      int to = Math.min(21, from + 5);
      assertArrayEquals(
          Arrays.copyOfRange(whole, from * 39, to * 39), packed.dequantizeRows(from, to));
    }
  }

  @Test
  void outlierColumnsComeBackInFloat16() {
    float[] values = DrawnTensor.normal(5, 40 * 30);
    values[7 * 30 + 11] = 50.123f;
    values[9 * 30 + 29] = -60;
    Int8Tensor packed =
        (Int8Tensor)
            new Quantizer(QuantizationConfig.of(QuantType.INT8).withOutlierThreshold(6))
                .quantize(values, 40, 30);

    assertArrayEquals(new int[] {11, 29}, packed.outliers().columns());
    float[] restored = packed.dequantize();
    for (int row = 0; row < 40; row++) {
      for (int column : packed.outliers().columns()) {
        float half = Float.intBitsToFloat(Half.f16ToF32Bits(Half.toF16(values[row * 30 + column])));
        assertEquals(half, restored[row * 30 + column]);
      }
      assertEquals(values[row * 30], restored[row * 30], 4 / 127f / 2 * 1.01f);
    }
  }
}
