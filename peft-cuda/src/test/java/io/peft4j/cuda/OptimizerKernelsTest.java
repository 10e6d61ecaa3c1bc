package io.peft4j.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.peft4j.quant.DynamicQuantizer;
import io.peft4j.quant.FloatType;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * 8-bit AdamW against the same steps in Java with peft-quant's 8-bit codes, on the stand-in driver.
 */
@ExtendWith(Standin.class)
class OptimizerKernelsTest {
  private static final int BLOCK = OptimizerKernels.BLOCK;
  private static final float RATE = 1e-2f;
  private static final float BETA1 = 0.9f;
  private static final float BETA2 = 0.995f;
  private static final float EPS = 1e-8f;
  private static final float DECAY = 0.1f;
  private static final float GRADIENT_SCALE = 0.5f;

  @BeforeEach
  void fresh() {
    Standin.reset();
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 255, 256, 257, 5000, 20001})
  void dynamicCodesAreTheReferencesToTheLastBit(int count) {
    try (Gpu gpu = new Gpu(count)) {
      OptimizerKernels kernels = gpu.keep(new OptimizerKernels(gpu.context));
      float[] values = gpu.normal(count, 3, FloatType.F32);
      if (count > BLOCK) { // a block of zeros
        java.util.Arrays.fill(values, 0, BLOCK, 0);
      }
      int blocks = (count + BLOCK - 1) / BLOCK;
      DeviceMemory codes = gpu.bytes(count);
      DeviceMemory absmax = gpu.empty(blocks, FloatType.F32);
      kernels.quantizeSigned(
          gpu.upload(values, FloatType.F32).span(), codes.span(), absmax.span(), count);
      byte[] expectedCodes = new byte[count];
      float[] expectedAbsmax = new float[blocks];
      DynamicQuantizer.signed().quantize(values, BLOCK, expectedCodes, expectedAbsmax);
      assertArrayEquals(expectedCodes, Gpu.raw(codes));
      assertArrayEquals(expectedAbsmax, Gpu.floats(absmax, FloatType.F32));
      Tally.count("quantizeDynamic", FloatType.F32);
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 256, 1000, 9000})
  void twentySteps(int count) {
    for (int order = 0; order < 3; order++) {
      Standin.set("order", order);
      try (Gpu gpu = new Gpu(count)) {
        OptimizerKernels kernels = gpu.keep(new OptimizerKernels(gpu.context));
        int blocks = (count + BLOCK - 1) / BLOCK;
        float[] weight = gpu.normal(count, 1, FloatType.F32);
        DeviceMemory device = gpu.upload(weight, FloatType.F32);
        DeviceMemory firstCodes = gpu.zeros(count);
        DeviceMemory firstAbsmax = gpu.zeros(4 * blocks);
        DeviceMemory secondCodes = gpu.zeros(count);
        DeviceMemory secondAbsmax = gpu.zeros(4 * blocks);
        OptimizerKernels.Moments moments =
            new OptimizerKernels.Moments(
                firstCodes.span(), firstAbsmax.span(), secondCodes.span(), secondAbsmax.span());
        Reference reference = new Reference(weight, blocks);
        for (int step = 1; step <= 20; step++) {
          float[] gradient = gpu.normal(count, 1, FloatType.F32);
          kernels.adamW(
              device.span(),
              gpu.upload(gradient, FloatType.F32).span(),
              moments,
              count,
              new OptimizerKernels.AdamStep(RATE, BETA1, BETA2, EPS, DECAY, step, GRADIENT_SCALE));
          reference.step(gradient, step);
        }
        assertArrayEquals(reference.firstCodes, Gpu.raw(firstCodes));
        assertArrayEquals(reference.secondCodes, Gpu.raw(secondCodes));
        assertArrayEquals(reference.firstAbsmax, Gpu.floats(firstAbsmax, FloatType.F32));
        assertArrayEquals(reference.secondAbsmax, Gpu.floats(secondAbsmax, FloatType.F32));
        float[] found = Gpu.floats(device, FloatType.F32);
        for (int i = 0; i < count; i++) {
          assertEquals(
              reference.weight[i], found[i], 5e-6); // twenty float32 roundings of |weight| < 4
        }
        Tally.count("adamW", FloatType.F32);
      }
    }
  }

  /** The same steps on the CPU. */
  private static final class Reference {
    final float[] weight;
    final byte[] firstCodes;
    final byte[] secondCodes;
    final float[] firstAbsmax;
    final float[] secondAbsmax;

    Reference(float[] weight, int blocks) {
      this.weight = weight.clone();
      firstCodes = new byte[weight.length];
      secondCodes = new byte[weight.length];
      firstAbsmax = new float[blocks];
      secondAbsmax = new float[blocks];
    }

    void step(float[] gradient, int step) {
      int count = weight.length;
      float[] first = new float[count];
      float[] second = new float[count];
      DynamicQuantizer.signed().dequantize(firstCodes, firstAbsmax, BLOCK, first);
      DynamicQuantizer.unsigned().dequantize(secondCodes, secondAbsmax, BLOCK, second);
      double correction1 = 1 - Math.pow(BETA1, step);
      double correction2 = 1 - Math.pow(BETA2, step);
      for (int i = 0; i < count; i++) {
        float g = gradient[i] * GRADIENT_SCALE;
        first[i] = Math.fma(1 - BETA1, g, BETA1 * first[i]);
        second[i] = Math.fma((1 - BETA2) * g, g, BETA2 * second[i]);
        double root = Math.sqrt(second[i]) / Math.sqrt(correction2) + EPS;
        double update = RATE / correction1 * first[i] / root;
        weight[i] = (float) (weight[i] * (1 - (double) RATE * DECAY) - update);
      }
      DynamicQuantizer.signed().quantize(first, BLOCK, firstCodes, firstAbsmax);
      DynamicQuantizer.unsigned().quantize(second, BLOCK, secondCodes, secondAbsmax);
    }
  }
}
