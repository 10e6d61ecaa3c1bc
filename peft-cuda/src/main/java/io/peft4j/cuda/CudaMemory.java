package io.peft4j.cuda;

import io.peft4j.torch.GpuMemory;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;

/** Tells how full a GPU is, as the driver counts it: {@code cuMemGetInfo}. */
public final class CudaMemory implements GpuMemory {

  /** A context a GPU, or none where it is not usable. They live as long as PyTorch's. */
  private final Map<Integer, Optional<CudaContext>> contexts = new HashMap<>();

  /** For {@link java.util.ServiceLoader}. */
  public CudaMemory() {}

  @Override
  public synchronized Optional<Use> use(int gpu) {
    return contexts
        .computeIfAbsent(gpu, CudaMemory::open)
        .map(
            context -> {
              long total = context.status().memoryBytes();
              return new Use(total - context.freeBytes(), total);
            });
  }

  private static Optional<CudaContext> open(int gpu) {
    return GpuStatus.probe(gpu).usable() ? Optional.of(CudaContext.open(gpu)) : Optional.empty();
  }
}
