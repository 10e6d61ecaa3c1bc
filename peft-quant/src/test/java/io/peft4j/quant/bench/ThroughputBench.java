package io.peft4j.quant.bench;

import io.peft4j.quant.FloatType;
import io.peft4j.quant.QuantType;
import io.peft4j.quant.QuantizationConfig;
import io.peft4j.quant.QuantizedTensor;
import io.peft4j.quant.Quantizer;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.Locale;
import java.util.Random;
import java.util.concurrent.ForkJoinPool;

/**
 * Prints how fast weights are quantized and dequantized, in GB of dense weights a second: the best
 * and the median of several runs. {@code bench_throughput.py} prints bitsandbytes' figures in the
 * same form.
 */
public final class ThroughputBench {
  private static final int EXTENT = 2048;
  private static final int RUNS = 25;
  private static final long WARM_UP_NANOS = 2_000_000_000L;

  private ThroughputBench() {}

  /** Takes no arguments. */
  public static void main(String[] args) {
    int threads = ForkJoinPool.commonPool().getParallelism() + 1;
    System.out.printf(Locale.ROOT, "java %s, %d threads%n", Runtime.version(), threads);
    for (FloatType type : FloatType.values()) {
      ByteBuffer weight = weight(type);
      ByteBuffer target =
          ByteBuffer.allocateDirect(weight.capacity()).order(ByteOrder.LITTLE_ENDIAN);
      for (QuantType quant : QuantType.values()) {
        Quantizer quantizer = new Quantizer(QuantizationConfig.of(quant));
        QuantizedTensor packed = quantizer.quantize(weight, type, EXTENT, EXTENT);
        report(
            String.format(Locale.ROOT, "%s quantize   %s", quant.id(), type.torchName()),
            weight.capacity(),
            () -> quantizer.quantize(weight, type, EXTENT, EXTENT));
        report(
            String.format(Locale.ROOT, "%s dequantize %s", quant.id(), type.torchName()),
            weight.capacity(),
            () -> packed.dequantize(target, type));
      }
    }
  }

  private static ByteBuffer weight(FloatType type) {
    Random random = new Random(1);
    ByteBuffer data =
        ByteBuffer.allocateDirect(EXTENT * EXTENT * type.bytes()).order(ByteOrder.LITTLE_ENDIAN);
    for (int i = 0; i < EXTENT * EXTENT; i++) {
      float value = (float) random.nextGaussian() * 0.02f;
      switch (type) {
        case F32 -> data.putFloat(value);
        case BF16 -> data.putShort((short) (Float.floatToRawIntBits(value) >>> 16));
        case F16 -> data.putShort((short) random.nextInt(0x2400)); // magnitudes below 2^-6
      }
    }
    return data.flip();
  }

  private static void report(String what, long bytes, Runnable work) {
    long warm = System.nanoTime() + WARM_UP_NANOS;
    while (System.nanoTime() < warm) {
      work.run();
    }
    double[] seconds = new double[RUNS];
    for (int i = 0; i < RUNS; i++) {
      long start = System.nanoTime();
      work.run();
      seconds[i] = (System.nanoTime() - start) / 1e9;
    }
    Arrays.sort(seconds);
    System.out.printf(
        Locale.ROOT,
        "%-28s best %6.2f GB/s  median %6.2f GB/s%n",
        what,
        bytes / seconds[0] / 1e9,
        bytes / seconds[RUNS / 2] / 1e9);
  }
}
