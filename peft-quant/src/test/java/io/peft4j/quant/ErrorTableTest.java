package io.peft4j.quant;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * The mean errors on N(0, 1) that bitsandbytes' own tests expect of 1024 × 1024 elements (they
 * allow 7 standard deviations of the sample).
 */
class ErrorTableTest {
  private static final float[] NORMAL = normal();

  private static float[] normal() {
    Random random = new Random(42);
    float[] values = new float[1 << 20];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return values;
  }

  private static QuantizationError error(QuantType type, int block, boolean doubleQuant) {
    QuantizationConfig config =
        QuantizationConfig.of(type).withBlockSize(block).withDoubleQuant(doubleQuant);
    return QuantizationError.measure(NORMAL, new Quantizer(config).quantize(NORMAL, 1024, 1024));
  }

  @ParameterizedTest
  @CsvSource({
    "32, 0.067746, 0.189726, 0.088925, 0.242443",
    "64, 0.072798, 0.203339, 0.096543, 0.260125",
    "128, 0.076831, 0.215237, 0.102969, 0.275817",
    "256, 0.080337, 0.226105, 0.108684, 0.289831",
    "512, 0.083547, 0.236079, 0.114115, 0.302881",
    "1024, 0.086610, 0.245370, 0.119333, 0.315000",
    "2048, 0.089592, 0.254163, 0.124556, 0.326607",
    "4096, 0.092547, 0.262473, 0.129536, 0.337169"
  })
  void meanErrorsAreTheTables(
      int block, double nf4Absolute, double nf4Relative, double fp4Absolute, double fp4Relative) {
    QuantizationError nf4 = error(QuantType.NF4, block, false);
    QuantizationError fp4 = error(QuantType.FP4, block, false);

    // three standard deviations: 7.4e-5 at block 64, growing as scales get fewer
    double spread = 3 * 7.4e-5 * Math.sqrt(block / 64.0);
    assertEquals(nf4Absolute, nf4.meanAbsolute(), spread);
    assertEquals(nf4Relative, nf4.meanRelative(), 5 * spread);
    assertEquals(fp4Absolute, fp4.meanAbsolute(), 2 * spread);
    assertEquals(fp4Relative, fp4.meanRelative(), 5 * spread);
    assertTrue(nf4.rootMeanSquare() < fp4.rootMeanSquare());
  }

  @Test
  void doubleQuantizationAddsLittle() {
    for (QuantType type : new QuantType[] {QuantType.NF4, QuantType.FP4}) {
      double plain = error(type, 64, false).meanAbsolute();
      double nested = error(type, 64, true).meanAbsolute();
      assertTrue(nested > plain && nested < 1.003 * plain, plain + " " + nested);
    }
  }

  @Test
  void doubleQuantizationTakes4127BitsAWeight() {
    QuantizedTensor packed =
        new Quantizer(QuantizationConfig.nf4().withDoubleQuant(true)).quantize(NORMAL, 1024, 1024);
    double bits = 8.0 * (packed.storedBytes() - 4 * (16 + 256)) / NORMAL.length;
    assertEquals(4.127, bits, 5e-4);
  }

  @Test
  void eightBitsAreTwentyTimesCloser() {
    QuantizationError int8 =
        QuantizationError.measure(
            NORMAL,
            new Quantizer(QuantizationConfig.of(QuantType.INT8)).quantize(NORMAL, 1024, 1024));
    assertTrue(int8.meanAbsolute() < 0.0075, int8.toString()); // a quarter of 3.4 / 127
    assertTrue(int8.largest() < 0.025, int8.toString());
  }

  @Test
  void dynamicMapErrsAsBitsandbytesTestsExpect() {
    byte[] codes = new byte[NORMAL.length];
    float[] absmax = new float[NORMAL.length / 256];
    float[] restored = new float[NORMAL.length];
    DynamicQuantizer.signed().quantize(NORMAL, 256, codes, absmax);
    DynamicQuantizer.signed().dequantize(codes, absmax, 256, restored);
    double absolute = 0;
    double relative = 0;
    for (int i = 0; i < restored.length; i++) {
      double difference = Math.abs(restored[i] - NORMAL[i]);
      absolute += difference / restored.length;
      relative += difference / (Math.abs(NORMAL[i]) + 1e-8) / restored.length;
    }
    assertTrue(absolute < 0.011, "absolute " + absolute);
    assertTrue(relative < 0.018, "relative " + relative);
  }
}
