package io.peft4j.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.peft4j.quant.FloatType;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Locale;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Norm, rotary, SwiGLU and cross entropy against their formulas in float64, on the stand-in driver.
 */
@ExtendWith(Standin.class)
class LayerKernelsTest {
  @BeforeEach
  void fresh() {
    Standin.reset();
  }

  @ParameterizedTest
  @CsvSource({"1, 8, 0", "3, 37, 1", "5, 256, 0", "2, 2048, 0", "9, 4104, 1"})
  void rmsNorm(int rows, int width, float offset) {
    float eps = 1e-5f;
    for (FloatType type : FloatType.values()) {
      for (int order = 0; order < 3; order++) {
        Standin.set("order", order);
        try (Gpu gpu = new Gpu(width)) {
          LayerKernels kernels = new LayerKernels(gpu.context);
          float[] x = gpu.normal(rows * width, 2, type);
          float[] weight = gpu.normal(width, 1, type);
          float[] dy = gpu.normal(rows * width, 1, type);
          DeviceSpan dx0 = gpu.upload(x, type).span();
          DeviceSpan w = gpu.upload(weight, type).span();
          DeviceMemory y = gpu.empty((long) rows * width, type);
          DeviceMemory rstd = gpu.empty(rows, FloatType.F32);
          kernels.rmsNorm(type, dx0, w, rows, width, eps, offset, y.span(), rstd.span());
          DeviceMemory dx = gpu.empty((long) rows * width, type);
          DeviceMemory dw = gpu.empty(width, FloatType.F32);
          kernels.rmsNormBackward(
              type,
              gpu.upload(dy, type).span(),
              dx0,
              w,
              rstd.span(),
              rows,
              width,
              offset,
              dx.span(),
              dw.span());
          float[] gotY = Gpu.floats(y, type);
          float[] gotDx = Gpu.floats(dx, type);
          double[] sumDw = new double[width];
          for (int r = 0; r < rows; r++) {
            double square = 0;
            for (int i = 0; i < width; i++) {
              square += (double) x[r * width + i] * x[r * width + i];
            }
            double inverse = 1 / Math.sqrt(square / width + eps);
            double mean = 0;
            for (int i = 0; i < width; i++) {
              mean += dy[r * width + i] * (offset + weight[i]) * x[r * width + i] * inverse / width;
            }
            for (int i = 0; i < width; i++) {
              double n = x[r * width + i] * inverse;
              close(type, n * (offset + weight[i]), gotY[r * width + i]);
              double g = dy[r * width + i] * (offset + weight[i]);
              close(type, inverse * (g - n * mean), gotDx[r * width + i]);
              sumDw[i] += dy[r * width + i] * n;
            }
          }
          float[] gotDw = Gpu.floats(dw, FloatType.F32);
          for (int i = 0; i < width; i++) {
            close(FloatType.F32, sumDw[i], gotDw[i]);
          }
          Tally.count("rmsNorm", type);
        }
      }
    }
  }

  @ParameterizedTest
  @CsvSource({"1, 1, 4, 0", "5, 3, 16, 8", "7, 2, 5, 0", "3, 8, 64, 16"})
  void rotary(int tokens, int heads, int half, int gap) {
    int stride = heads * 2 * half + gap;
    int positions = 11;
    for (FloatType type : FloatType.values()) {
      try (Gpu gpu = new Gpu(half)) {
        LayerKernels kernels = new LayerKernels(gpu.context);
        float[] x = gpu.normal((tokens - 1) * stride + heads * 2 * half, 1, type);
        float[] cosine = new float[positions * half];
        float[] sine = new float[positions * half];
        for (int p = 0; p < positions; p++) {
          for (int i = 0; i < half; i++) {
            double angle = p * Math.pow(10000, -(double) i / half);
            cosine[p * half + i] = (float) Math.cos(angle);
            sine[p * half + i] = (float) Math.sin(angle);
          }
        }
        int[] position = new int[tokens];
        for (int t = 0; t < tokens; t++) {
          position[t] = gpu.integer(positions);
        }
        DeviceMemory memory = gpu.upload(x, type);
        DeviceSpan c = gpu.upload(cosine, FloatType.F32).span();
        DeviceSpan s = gpu.upload(sine, FloatType.F32).span();
        DeviceSpan p = gpu.keep(DeviceMemory.copyOf(gpu.context, position)).span();
        kernels.rotary(type, memory.span(), c, s, p, tokens, heads, half, stride, false);
        float[] turned = Gpu.floats(memory, type);
        for (int t = 0; t < tokens; t++) {
          for (int h = 0; h < heads; h++) {
            for (int i = 0; i < half; i++) {
              int at = t * stride + h * 2 * half + i;
              double cos = cosine[position[t] * half + i];
              double sin = sine[position[t] * half + i];
              close(type, x[at] * cos - x[at + half] * sin, turned[at]);
              close(type, x[at + half] * cos + x[at] * sin, turned[at + half]);
            }
          }
          for (int i = heads * 2 * half; i < stride && t < tokens - 1; i++) {
            assertEquals(x[t * stride + i], turned[t * stride + i], "between tokens");
          }
        }
        kernels.rotary(type, memory.span(), c, s, p, tokens, heads, half, stride, true);
        float[] back = Gpu.floats(memory, type);
        double unit = type == FloatType.F32 ? 1e-6 : type == FloatType.F16 ? 3e-3 : 3e-2;
        for (int i = 0; i < x.length; i++) {
          assertEquals(x[i], back[i], unit * 2, "turned there and back");
        }
        Tally.count("rotary", type);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 7, 8, 100, 4096, 5003})
  void swiglu(int count) {
    for (FloatType type : FloatType.values()) {
      try (Gpu gpu = new Gpu(count)) {
        LayerKernels kernels = new LayerKernels(gpu.context);
        float[] gate = gpu.normal(count, 3, type);
        float[] up = gpu.normal(count, 1, type);
        float[] dy = gpu.normal(count, 1, type);
        DeviceMemory g = gpu.upload(gate, type);
        DeviceMemory u = gpu.upload(up, type);
        DeviceMemory y = gpu.empty(count, type);
        kernels.swiglu(type, g.span(), u.span(), y.span(), count);
        // the gradients in place of the inputs
        kernels.swigluBackward(
            type, gpu.upload(dy, type).span(), g.span(), u.span(), g.span(), u.span(), count);
        float[] gotY = Gpu.floats(y, type);
        float[] dGate = Gpu.floats(g, type);
        float[] dUp = Gpu.floats(u, type);
        for (int i = 0; i < count; i++) {
          double s = 1 / (1 + Math.exp(-gate[i]));
          close(type, gate[i] * s * up[i], gotY[i]);
          close(type, dy[i] * up[i] * s * (1 + gate[i] * (1 - s)), dGate[i]);
          close(type, dy[i] * gate[i] * s, dUp[i]);
        }
        Tally.count("swiglu", type);
      }
    }
  }

  @ParameterizedTest
  @CsvSource({"1, 2", "4, 100", "3, 4096", "2, 32003", "6, 8"})
  void crossEntropy(int rows, int classes) {
    float scale = 0.25f;
    for (FloatType type : FloatType.values()) {
      for (int order = 0; order < 3; order++) {
        Standin.set("order", order);
        try (Gpu gpu = new Gpu(classes)) {
          LayerKernels kernels = new LayerKernels(gpu.context);
          float[] logits = gpu.normal(rows * classes, 4, type);
          ByteBuffer labels = ByteBuffer.allocate(8 * rows).order(ByteOrder.LITTLE_ENDIAN);
          for (int r = 0; r < rows; r++) {
            labels.putLong(8 * r, r == 2 ? -100 : gpu.integer(classes));
          }
          DeviceMemory memory = gpu.upload(logits, type);
          DeviceSpan l = gpu.keep(DeviceMemory.copyOf(gpu.context, labels)).span();
          DeviceMemory loss = gpu.empty(rows, FloatType.F32);
          DeviceMemory lse = gpu.empty(rows, FloatType.F32);
          kernels.crossEntropy(
              type, memory.span(), l, rows, classes, -100, loss.span(), lse.span());
          kernels.crossEntropyBackward(
              type, memory.span(), l, lse.span(), rows, classes, -100, scale);
          float[] gotLoss = Gpu.floats(loss, FloatType.F32);
          float[] gradient = Gpu.floats(memory, type);
          for (int r = 0; r < rows; r++) {
            double most = Double.NEGATIVE_INFINITY;
            for (int c = 0; c < classes; c++) {
              most = Math.max(most, logits[r * classes + c]);
            }
            double sum = 0;
            for (int c = 0; c < classes; c++) {
              sum += Math.exp(logits[r * classes + c] - most);
            }
            double logSum = most + Math.log(sum);
            int label = (int) labels.getLong(8 * r);
            double expected = label < 0 ? 0 : logSum - logits[r * classes + label];
            assertEquals(expected, gotLoss[r], 1e-5 * (1 + Math.abs(logSum)));
            for (int c = 0; c < classes; c++) {
              double softmax = Math.exp(logits[r * classes + c] - logSum);
              double wanted = label < 0 ? 0 : scale * (softmax - (c == label ? 1 : 0));
              close(type, wanted, gradient[r * classes + c]);
            }
          }
          Tally.count("crossEntropy", type);
        }
      }
    }
  }

  @Test
  void aLabelThatIsNoClassGivesNanAndNoGradient() {
    try (Gpu gpu = new Gpu(1)) {
      LayerKernels kernels = new LayerKernels(gpu.context);
      DeviceMemory logits = gpu.upload(new float[] {1, 2, 3, 4}, FloatType.F32);
      ByteBuffer label = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(0, 4);
      DeviceSpan labels = gpu.keep(DeviceMemory.copyOf(gpu.context, label)).span();
      DeviceMemory loss = gpu.empty(1, FloatType.F32);
      DeviceMemory lse = gpu.empty(1, FloatType.F32);
      kernels.crossEntropy(
          FloatType.F32, logits.span(), labels, 1, 4, -100, loss.span(), lse.span());
      kernels.crossEntropyBackward(FloatType.F32, logits.span(), labels, lse.span(), 1, 4, -100, 1);
      assertTrue(Float.isNaN(Gpu.floats(loss, FloatType.F32)[0]));
      for (float gradient : Gpu.floats(logits, FloatType.F32)) {
        assertEquals(0, gradient);
      }
    }
  }

  private static void close(FloatType type, double expected, float found) {
    double unit = type == FloatType.F32 ? 4e-6 : type == FloatType.F16 ? 0x1p-11 : 0x1p-8;
    double least = type == FloatType.F16 ? 0x1p-25 : 0; // half a subnormal
    double allowed = 1.01 * unit * Math.abs(expected) + 4e-6 + least;
    assertTrue(
        Math.abs(expected - found) <= allowed,
        () -> String.format(Locale.ROOT, "%s: expected %s, found %s", type, expected, found));
  }
}
