package io.peft4j.quant.kernel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.peft4j.quant.FloatType;
import io.peft4j.quant.QuantType;
import io.peft4j.quant.QuantizationConfig;
import io.peft4j.quant.QuantizationException;
import io.peft4j.quant.QuantizedTensor;
import io.peft4j.quant.Quantizer;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class JavaKernelsTest {
  private static final int OUTPUTS = 75;
  private static final int INPUTS = 1003;
  private static final int ROWS = 3;

  private static float[] random(int count) {
    Random random = new Random(count);
    float[] values = new float[count];
    for (int i = 0; i < count; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return values;
  }

  private static QuantizedTensor weight(QuantType type) {
    return new Quantizer(QuantizationConfig.of(type))
        .quantize(random(OUTPUTS * INPUTS), OUTPUTS, INPUTS);
  }

  private static ByteBuffer buffer(FloatType type, float[] values) {
    ByteBuffer bytes = ByteBuffer.allocate(type.bytes() * values.length);
    type.fromFloats(values, bytes);
    return bytes;
  }

  @Test
  void pureJavaIsAlwaysThereAndLast() {
    List<QuantKernels> found = QuantKernels.available();
    assertEquals("java", found.get(found.size() - 1).name());
    assertTrue(!QuantKernels.java().onDevice());
  }

  @ParameterizedTest
  @EnumSource(QuantType.class)
  void productsAreThoseOfTheDenseWeight(QuantType type) {
    QuantizedTensor tensor = weight(type);
    float[] dense = tensor.dequantize();
    float[] x = random(ROWS * INPUTS);
    float[] gy = random(ROWS * OUTPUTS);
    ByteBuffer y = ByteBuffer.allocate(4 * ROWS * OUTPUTS);
    ByteBuffer gx = ByteBuffer.allocate(4 * ROWS * INPUTS);
    try (PackedWeight packed = QuantKernels.java().place(tensor)) {
      packed.multiply(host(FloatType.F32, x), new Memory.Host(y), ROWS, FloatType.F32);
      packed.multiplyTransposed(host(FloatType.F32, gy), new Memory.Host(gx), ROWS, FloatType.F32);
    }
    float[] expectedY = new float[ROWS * OUTPUTS];
    float[] expectedGx = new float[ROWS * INPUTS];
    for (int r = 0; r < ROWS; r++) {
      for (int o = 0; o < OUTPUTS; o++) {
        double sum = 0;
        for (int i = 0; i < INPUTS; i++) {
          sum += (double) x[r * INPUTS + i] * dense[o * INPUTS + i];
          expectedGx[r * INPUTS + i] += gy[r * OUTPUTS + o] * dense[o * INPUTS + i];
        }
        expectedY[r * OUTPUTS + o] = (float) sum;
      }
    }
    assertArrayEquals(expectedY, FloatType.F32.toFloats(y), 2e-4f);
    assertArrayEquals(expectedGx, FloatType.F32.toFloats(gx), 2e-4f);
  }

  private static Memory host(FloatType type, float[] values) {
    return new Memory.Host(buffer(type, values));
  }

  @ParameterizedTest
  @EnumSource(FloatType.class)
  void dequantizesToEveryType(FloatType type) {
    QuantizedTensor tensor = weight(QuantType.NF4);
    ByteBuffer target = ByteBuffer.allocate(type.bytes() * OUTPUTS * INPUTS);
    try (PackedWeight packed = QuantKernels.java().place(tensor)) {
      packed.dequantize(new Memory.Host(target), type);
      assertEquals(OUTPUTS, packed.outputs());
      assertEquals(INPUTS, packed.inputs());
      assertEquals(tensor.storedBytes(), packed.bytes());
    }
    assertEquals(buffer(type, tensor.dequantize()), target);
  }

  @Test
  void refusesOperandsThatDoNotFit() {
    try (PackedWeight packed = QuantKernels.java().place(weight(QuantType.NF4))) {
      Memory small = host(FloatType.F32, new float[3]);
      assertRefused(
          "x takes 12036 bytes of float32, found 12",
          () -> packed.multiply(small, small, ROWS, FloatType.F32));
      assertRefused(
          "W lies on a device",
          () -> packed.dequantize(new Memory.Device(4096, 12), FloatType.F32));
    }
    QuantizedTensor vector = new Quantizer(QuantizationConfig.nf4()).quantize(new float[64], 64);
    assertRefused("a projection's weight is a matrix", () -> QuantKernels.java().place(vector));
  }

  private static void assertRefused(String words, Runnable work) {
    String message = assertThrows(QuantizationException.class, work::run).getMessage();
    assertTrue(message.contains(words), message);
  }
}
