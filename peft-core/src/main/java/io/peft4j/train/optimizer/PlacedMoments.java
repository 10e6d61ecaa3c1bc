package io.peft4j.train.optimizer;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import io.peft4j.io.MappedFile;
import io.peft4j.torch.HostTensors;
import io.peft4j.torch.NativeTensor;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.Map;
import java.util.Objects;
import java.util.UUID;
import java.util.function.Function;

/**
 * A parameter's moments in the place where they are between steps. Where that is not where steps
 * are computed, they come there for one only: bitsandbytes' paged optimizers (Dettmers et al.,
 * QLoRA, 2023), which rest on CUDA's unified memory, by other means.
 */
interface PlacedMoments {

  /** As in bitsandbytes, smaller tensors are not paged. */
  long FEWEST = 100_000;

  /** {@return the moments where they are kept, for files} */
  MomentStore kept();

  /** Begins to bring them where steps are computed. */
  void prefetch();

  /** {@return the moments where steps are computed, until {@link #putBack}} */
  MomentStore fetch();

  /** Ends what {@link #fetch} began. */
  void putBack();

  /**
   * {@return new moments, away from the device of {@code manager}}
   *
   * @param bytes that they take
   * @throws UncheckedIOException if there is no room for them
   */
  static PlacedMoments paged(
      NDManager manager, long bytes, Function<StateMemory, MomentStore> create) {
    return manager.getDevice().isGpu()
        ? new OnHost(manager, create)
        : new InFile(manager, bytes, create);
  }

  /** Where steps are computed, all the time. */
  record Staying(MomentStore kept) implements PlacedMoments {
    @Override
    public void prefetch() {}

    @Override
    public MomentStore fetch() {
      return kept;
    }

    @Override
    public void putBack() {}
  }

  /** In the CPU's memory; a GPU has a copy for the step. */
  final class OnHost implements PlacedMoments {
    private final NDManager manager;
    private final MomentStore kept;
    private NDManager scope;
    private MomentStore near;

    OnHost(NDManager manager, Function<StateMemory, MomentStore> create) {
      this.manager = manager;
      this.kept = create.apply((type, shape) -> HostTensors.zeros(manager, type, shape));
    }

    @Override
    public MomentStore kept() {
      return kept;
    }

    @Override
    public void prefetch() {
      if (near == null) {
        scope = manager.newSubManager();
        near = kept.copyTo(scope);
      }
    }

    @Override
    public MomentStore fetch() {
      prefetch();
      return near;
    }

    @Override
    public void putBack() {
      Map<String, NDArray> changed = near.state();
      kept.state().forEach((name, tensor) -> HostTensors.copy(changed.get(name), tensor));
      scope.close();
      near = null;
    }
  }

  /** In a mapped temporary file, whose pages the process gives back after the step. */
  final class InFile implements PlacedMoments {

    /** Tensors begin at a multiple of this. */
    private static final int ALIGNMENT = 64;

    /** More than any store has. */
    private static final int TENSORS = 8;

    private final NDManager manager;
    private final MappedFile file;
    private final MomentStore kept;
    private long used;

    InFile(NDManager manager, long bytes, Function<StateMemory, MomentStore> create) {
      this.manager = manager;
      try {
        Path folder = Path.of(System.getProperty("java.io.tmpdir"));
        file = MappedFile.scratch(folder, bytes + TENSORS * ALIGNMENT);
      } catch (IOException e) {
        throw new UncheckedIOException(
            "paged optimizer states (their folder is java.io.tmpdir): " + e.getMessage(), e);
      }
      manager.attachInternal(UUID.randomUUID().toString(), file);
      kept = create.apply(this::zeros);
      putBack();
    }

    private NDArray zeros(DataType type, Shape shape) {
      long bytes = shape.size() * type.getNumOfBytes();
      long address = file.address() + Objects.checkFromIndexSize(used, bytes, file.length());
      used += (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
      return NativeTensor.wrap(
          manager, address, NativeTensor.Type.valueOf(type.name()), shape.getShape());
    }

    @Override
    public MomentStore kept() {
      return kept;
    }

    @Override
    public void prefetch() {
      file.prefetch(0, file.length());
    }

    @Override
    public MomentStore fetch() {
      return kept;
    }

    @Override
    public void putBack() {
      file.release(0, file.length());
    }
  }
}
