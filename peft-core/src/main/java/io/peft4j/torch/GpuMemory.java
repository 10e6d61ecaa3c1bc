package io.peft4j.torch;

import ai.djl.Device;
import io.peft4j.io.Services;
import java.util.List;
import java.util.Optional;
import java.util.ServiceLoader;
import java.util.function.Supplier;

/**
 * Tells how full a GPU's memory is. Core knows no driver: who does is found by {@link
 * ServiceLoader}, and is absent where peft-cuda is.
 */
public interface GpuMemory {

  /**
   * A GPU's memory at one moment.
   *
   * @param usedBytes what is taken, by all processes: weights, libtorch's blocks, those it caches
   *     included, and the driver's own share
   * @param totalBytes what the GPU has
   */
  record Use(long usedBytes, long totalBytes) {}

  /** {@return the use of a GPU's memory; empty if it cannot be told} */
  Optional<Use> use(int gpu);

  /** {@return what tells the use of a device's memory; it gives nothing for a CPU} */
  static Supplier<Optional<Use>> of(Device device) {
    if (!device.isGpu()) {
      return Optional::empty;
    }
    List<GpuMemory> providers = Services.load(GpuMemory.class);
    return () ->
        providers.stream()
            .map(provider -> provider.use(device.getDeviceId()))
            .flatMap(Optional::stream)
            .findFirst();
  }
}
