package io.peft4j.cuda;

import io.peft4j.quant.FloatType;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import java.util.Locale;
import java.util.stream.IntStream;

/** Probes of the layer's other parts and of the optimizer, against their formulas. */
final class LayerProbes {
  private static final float EPS = 1e-5f;
  private static final float TEN_THOUSAND = 10_000;

  private final Workbench bench;
  private final FloatType type;
  private final int rows;
  private final int width;
  private final LayerKernels kernels;

  /**
   * @param rows of activations
   * @param width elements a row, a multiple of 16
   */
  LayerProbes(Workbench bench, FloatType type, int rows, int width) {
    this.bench = bench;
    this.type = type;
    this.rows = rows;
    this.width = width;
    kernels = new LayerKernels(bench.context);
  }

  List<Probe> all() {
    return List.of(
        rmsNorm(),
        rmsNormBackward(),
        rotary(),
        swiglu(),
        swigluBackward(),
        crossEntropy(),
        adamW());
  }

  private Probe rmsNorm() {
    float[] x = bench.draw(rows * width, 1, type);
    float[] weight = bench.draw(width, 1, type);
    DeviceMemory in = bench.upload(x, type);
    DeviceMemory w = bench.upload(weight, type);
    DeviceMemory y = bench.allocate(in.span().bytes());
    DeviceMemory rstd = bench.allocate(4L * rows);
    return probe(
        "rms norm",
        2,
        () ->
            kernels.rmsNorm(type, in.span(), w.span(), rows, width, EPS, 0, y.span(), rstd.span()),
        () -> {
          float[] expected = new float[x.length];
          for (int i = 0; i < x.length; i++) {
            expected[i] = (float) (x[i] * inverse(x, i / width) * weight[i % width]);
          }
          return new float[][] {expected, download(y)};
        });
  }

  private double inverse(float[] x, int row) {
    double sum = 0;
    for (int i = row * width; i < (row + 1) * width; i++) {
      sum += (double) x[i] * x[i];
    }
    return 1 / Math.sqrt(sum / width + EPS);
  }

  private Probe rmsNormBackward() {
    float[] x = bench.draw(rows * width, 1, type);
    float[] weight = bench.draw(width, 1, type);
    float[] dy = bench.draw(rows * width, 1, type);
    float[] rstd = new float[rows];
    for (int r = 0; r < rows; r++) {
      rstd[r] = (float) inverse(x, r);
    }
    DeviceMemory in = bench.upload(x, type);
    DeviceMemory w = bench.upload(weight, type);
    DeviceMemory gradient = bench.upload(dy, type);
    DeviceMemory scale = bench.upload(rstd, FloatType.F32);
    DeviceMemory dx = bench.allocate(in.span().bytes());
    return probe(
        "rms norm backward",
        3,
        () ->
            kernels.rmsNormBackward(
                type,
                gradient.span(),
                in.span(),
                w.span(),
                scale.span(),
                rows,
                width,
                0,
                dx.span(),
                null),
        () -> {
          float[] expected = new float[x.length];
          for (int r = 0; r < rows; r++) {
            double mean = 0;
            for (int i = 0; i < width; i++) {
              int at = r * width + i;
              mean += (double) dy[at] * weight[i] * x[at] * rstd[r] / width;
            }
            for (int i = 0; i < width; i++) {
              int at = r * width + i;
              double g = (double) dy[at] * weight[i] - x[at] * rstd[r] * mean;
              expected[at] = (float) (rstd[r] * g);
            }
          }
          return new float[][] {expected, download(dx)};
        });
  }

  /**
   * Rows are tokens with one head; turning goes on from run to run, so only the first is checked.
   */
  private Probe rotary() {
    int half = width / 2;
    float[] x = bench.draw(rows * width, 1, type);
    float[] cosine = new float[rows * half];
    float[] sine = new float[rows * half];
    for (int i = 0; i < cosine.length; i++) {
      double angle = (i / half) * Math.pow(TEN_THOUSAND, -(double) (i % half) / half);
      cosine[i] = (float) Math.cos(angle);
      sine[i] = (float) Math.sin(angle);
    }
    DeviceMemory in = bench.upload(x, type);
    DeviceMemory c = bench.upload(cosine, FloatType.F32);
    DeviceMemory s = bench.upload(sine, FloatType.F32);
    DeviceMemory position =
        bench.keep(DeviceMemory.copyOf(bench.context, IntStream.range(0, rows).toArray()));
    return probe(
        "rotary",
        2,
        () ->
            kernels.rotary(
                type, in.span(), c.span(), s.span(), position.span(), rows, 1, half, width, false),
        () -> {
          float[] expected = new float[x.length];
          for (int i = 0; i < cosine.length; i++) {
            int at = i / half * width + i % half;
            expected[at] = x[at] * cosine[i] - x[at + half] * sine[i];
            expected[at + half] = x[at + half] * cosine[i] + x[at] * sine[i];
          }
          return new float[][] {expected, download(in)};
        });
  }

  private Probe swiglu() {
    float[] gate = bench.draw(rows * width, 1, type);
    float[] up = bench.draw(rows * width, 1, type);
    DeviceMemory g = bench.upload(gate, type);
    DeviceMemory u = bench.upload(up, type);
    DeviceMemory y = bench.allocate(g.span().bytes());
    return probe(
        "swiglu",
        3,
        () -> kernels.swiglu(type, g.span(), u.span(), y.span(), gate.length),
        () -> {
          float[] expected = new float[gate.length];
          for (int i = 0; i < gate.length; i++) {
            expected[i] = (float) (gate[i] * up[i] / (1 + Math.exp(-gate[i])));
          }
          return new float[][] {expected, download(y)};
        });
  }

  private Probe swigluBackward() {
    float[] gate = bench.draw(rows * width, 1, type);
    float[] up = bench.draw(rows * width, 1, type);
    float[] dy = bench.draw(rows * width, 1, type);
    DeviceMemory g = bench.upload(gate, type);
    DeviceMemory u = bench.upload(up, type);
    DeviceMemory d = bench.upload(dy, type);
    DeviceMemory dGate = bench.allocate(g.span().bytes());
    DeviceMemory dUp = bench.allocate(g.span().bytes());
    return probe(
        "swiglu backward",
        5,
        () ->
            kernels.swigluBackward(
                type, d.span(), g.span(), u.span(), dGate.span(), dUp.span(), gate.length),
        () -> {
          float[] toGate = new float[gate.length];
          float[] toUp = new float[gate.length];
          for (int i = 0; i < gate.length; i++) {
            double s = 1 / (1 + Math.exp(-gate[i]));
            toGate[i] = (float) (dy[i] * up[i] * s * (1 + gate[i] * (1 - s)));
            toUp[i] = (float) (dy[i] * gate[i] * s);
          }
          return new float[][] {toGate, download(dGate), toUp, download(dUp)};
        });
  }

  /** Rows of logits over {@code width} classes, forward and then backward in place. */
  private Probe crossEntropy() {
    float[] logits = bench.draw(rows * width, 2, type);
    ByteBuffer labels = ByteBuffer.allocate(8 * rows).order(ByteOrder.LITTLE_ENDIAN);
    for (int r = 0; r < rows; r++) {
      labels.putLong(8 * r, bench.drawBelow(width));
    }
    DeviceMemory in = bench.upload(logits, type);
    DeviceMemory l = bench.keep(DeviceMemory.copyOf(bench.context, labels));
    DeviceMemory loss = bench.allocate(4L * rows);
    DeviceMemory lse = bench.allocate(4L * rows);
    return probe(
        "cross entropy",
        3,
        () -> {
          kernels.crossEntropy(
              type, in.span(), l.span(), rows, width, -100, loss.span(), lse.span());
          kernels.crossEntropyBackward(type, in.span(), l.span(), lse.span(), rows, width, -100, 1);
        },
        () -> {
          float[] losses = new float[rows];
          float[] gradient = new float[logits.length];
          for (int r = 0; r < rows; r++) {
            double sum = 0;
            for (int c = 0; c < width; c++) {
              sum += Math.exp(logits[r * width + c]);
            }
            int label = (int) labels.getLong(8 * r);
            losses[r] = (float) (Math.log(sum) - logits[r * width + label]);
            for (int c = 0; c < width; c++) {
              double softmax = Math.exp(logits[r * width + c]) / sum;
              gradient[r * width + c] = (float) (softmax - (c == label ? 1 : 0));
            }
          }
          float[] found = FloatType.F32.toFloats(loss.download());
          return new float[][] {losses, found, gradient, download(in)};
        });
  }

  /** The first step: both moments are the gradient's, so the update is the rate times its sign. */
  private Probe adamW() {
    int count = rows * width;
    int blocks = (count + OptimizerKernels.BLOCK - 1) / OptimizerKernels.BLOCK;
    float[] weight = bench.draw(count, 1, FloatType.F32);
    float[] gradient = bench.draw(count, 1, FloatType.F32);
    OptimizerKernels optimizer = bench.keep(new OptimizerKernels(bench.context));
    DeviceMemory w = bench.upload(weight, FloatType.F32);
    DeviceMemory g = bench.upload(gradient, FloatType.F32);
    OptimizerKernels.Moments moments =
        new OptimizerKernels.Moments(
            bench.zeros(count).span(),
            bench.zeros(4 * blocks).span(),
            bench.zeros(count).span(),
            bench.zeros(4 * blocks).span());
    float rate = 0.01f;
    float decay = 0.1f;
    OptimizerKernels.AdamStep step =
        new OptimizerKernels.AdamStep(rate, 0.9f, 0.999f, 1e-8f, decay, 1, 1);
    return new Probe(
        String.format(Locale.ROOT, "adamw 8-bit %d elements", count),
        1e-5,
        16.0 * count + 16.0 * blocks,
        0,
        () -> optimizer.adamW(w.span(), g.span(), moments, count, step),
        () -> {
          float[] expected = new float[count];
          for (int i = 0; i < count; i++) {
            double update = gradient[i] / (Math.abs((double) gradient[i]) + 1e-8);
            expected[i] = (float) (weight[i] * (1 - (double) rate * decay) - rate * update);
          }
          return new float[][] {expected, FloatType.F32.toFloats(w.download())};
        });
  }

  private Probe probe(
      String name, int passes, Runnable run, java.util.function.Supplier<float[][]> results) {
    double tolerance = type == FloatType.F32 ? 1e-5 : type == FloatType.F16 ? 0x1p-9 : 0x1p-7;
    double bytes = (double) passes * rows * width * type.bytes();
    String what = String.format(Locale.ROOT, "%s %s %dx%d", name, type.torchName(), rows, width);
    return new Probe(what, tolerance, bytes, 0, run, results);
  }

  private float[] download(DeviceMemory memory) {
    return type.toFloats(memory.download());
  }
}
