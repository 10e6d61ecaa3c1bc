package io.peft4j.quant.kernel;

import ai.djl.Device;
import io.peft4j.quant.QuantizedTensor;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.ServiceLoader;
import java.util.stream.Stream;

/**
 * An implementation of the work on packed weights. Implementations are found by {@link
 * ServiceLoader}; the one of pure Java is always there. A provider whose hardware or driver is
 * absent says so in {@link #isAvailable()} and never throws for it.
 */
public interface QuantKernels extends AutoCloseable {

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

  /** Gives up what this holds of a device. Weights placed with it have to be closed before. */
  @Override
  default void close() {}

  /** {@return the optimizer's step on 8-bit moments, where there is a kernel for it} */
  default Optional<EightBitAdam> adam() {
    return Optional.empty();
  }

  /**
   * {@return kernels of this kind for that GPU, which the caller closes}
   *
   * @param gpu its number, from 0
   * @throws IllegalArgumentException if it cannot be used; the message says why
   */
  default QuantKernels onGpu(int gpu) {
    throw new IllegalArgumentException(name() + ": these kernels know no GPU");
  }

  /**
   * The best for tensors of a device; the caller closes it.
   *
   * @throws IllegalArgumentException if nothing here has kernels for a GPU, or it cannot be used;
   *     the message says why
   */
  static QuantKernels on(Device device) {
    if (!device.isGpu()) {
      return available().stream().filter(kernels -> !kernels.onDevice()).findFirst().orElseThrow();
    }
    return ServiceLoader.load(QuantKernels.class).stream()
        .map(ServiceLoader.Provider::get)
        .filter(QuantKernels::onDevice)
        .max(Comparator.comparingInt(QuantKernels::priority))
        .orElseThrow(
            () ->
                new IllegalArgumentException(
                    device + ": packed weights on a GPU take peft-cuda on the class path"))
        .onGpu(device.getDeviceId());
  }

  /** The pure Java implementation, on host memory. */
  static QuantKernels java() {
    return new JavaKernels();
  }
}
