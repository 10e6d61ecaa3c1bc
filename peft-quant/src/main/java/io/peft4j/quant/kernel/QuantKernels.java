package io.peft4j.quant.kernel;

import io.peft4j.quant.QuantizedTensor;
import java.util.Comparator;
import java.util.List;
import java.util.ServiceLoader;
import java.util.stream.Stream;

/**
 * An implementation of the work on packed weights. Implementations are found by {@link
 * ServiceLoader}; the one of pure Java is always there. A provider whose hardware or driver is
 * absent says so in {@link #isAvailable()} and never throws for it.
 */
public interface QuantKernels {

  /** What it is called in reports, such as {@code java}. */
  String name();

  /** Whether it can run here. */
  boolean isAvailable();

  /** Among those available, the highest is taken first. The pure Java one has 0. */
  int priority();

  /** Whether operands are {@link Memory.Device} (else {@link Memory.Host}). */
  boolean onDevice();

  /**
   * Makes a weight ready for this implementation, which on a device copies it there.
   *
   * @param weight a matrix {@code [out, in]}
   * @throws io.peft4j.quant.QuantizationException if the weight is no matrix
   */
  PackedWeight place(QuantizedTensor weight);

  /** Those that can run here, best first; the pure Java one is last and never missing. */
  static List<QuantKernels> available() {
    Stream<QuantKernels> found =
        ServiceLoader.load(QuantKernels.class).stream().map(ServiceLoader.Provider::get);
    return Stream.concat(found, Stream.of(new JavaKernels()))
        .filter(QuantKernels::isAvailable)
        .sorted(Comparator.comparingInt(QuantKernels::priority).reversed())
        .toList();
  }

  /** The pure Java implementation, on host memory. */
  static QuantKernels java() {
    return new JavaKernels();
  }
}
