package io.peft4j.train.report;

import ai.djl.Device;
import io.peft4j.torch.GpuMemory;
import java.util.Optional;
import java.util.function.Supplier;

/**
 * Watches the memory of the process and, if the model is on one, of a GPU. The driver keeps no
 * peak, so that of a GPU is the highest of the samples. libtorch's allocator gives nothing back
 * while it runs, so a sample after a step sees what the step took at its highest.
 */
public final class MemoryMonitor {

  private final Supplier<Optional<GpuMemory.Use>> source;
  private long peak;

  /**
   * @param device that the model is on
   */
  public MemoryMonitor(Device device) {
    this(GpuMemory.of(device));
  }

  MemoryMonitor(Supplier<Optional<GpuMemory.Use>> source) {
    this.source = source;
  }

  /** Takes a sample. */
  public ProcessMemory now() {
    return ProcessMemory.now().withGpu(source.get().map(this::withPeak));
  }

  private ProcessMemory.Gpu withPeak(GpuMemory.Use use) {
    peak = Math.max(peak, use.usedBytes());
    return new ProcessMemory.Gpu(use.usedBytes(), peak, use.totalBytes());
  }
}
