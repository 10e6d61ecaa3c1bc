package io.peft4j.train;

import ai.djl.Device;
import io.peft4j.model.Model;
import io.peft4j.model.batch.TokenBatch;
import io.peft4j.model.chain.MemoryEstimate;
import io.peft4j.torch.GpuMemory;
import io.peft4j.train.TrainingArguments.GradientCheckpointing;
import io.peft4j.train.report.ProcessMemory;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Decides, batch by batch, how many layers are run again in the backward pass. */
final class Recomputation {

  private static final Logger LOGGER = LoggerFactory.getLogger(Recomputation.class);

  /** Share of the memory of machine or GPU that a run without a budget may take. */
  private static final double SHARE = 0.8;

  /** The logits, their log-softmax, and the gradient of each. */
  private static final long LOGITS = 4;

  private final Model model;
  private final GradientCheckpointing mode;
  private final long budget;
  private final long process;
  private final long optimizer;
  private final boolean allLogits;
  private boolean warned;

  /**
   * @param optimizer bytes of gradients and optimizer state that will be there
   */
  Recomputation(Model model, TrainingArguments arguments, long optimizer) {
    this.model = model;
    this.mode = arguments.gradientCheckpointing();
    Optional<GpuMemory.Use> gpu = onGpu(model.manager().getDevice());
    long all = gpu.map(GpuMemory.Use::totalBytes).orElseGet(ProcessMemory::ofMachine);
    this.budget = arguments.memoryBudget() > 0 ? arguments.memoryBudget() : (long) (SHARE * all);
    this.process = gpu.map(GpuMemory.Use::usedBytes).orElseGet(ProcessMemory::withoutFiles);
    this.optimizer = optimizer;
    this.allLogits = arguments.computeLossFunc().isPresent();
  }

  private Optional<GpuMemory.Use> onGpu(Device device) {
    Optional<GpuMemory.Use> use = GpuMemory.of(device).get();
    if (device.isGpu() && use.isEmpty() && mode == GradientCheckpointing.AUTO) {
      throw new IllegalArgumentException(
          "gradient_checkpointing auto: nobody can tell the memory of "
              + device
              + "; put peft-cuda on the class path, or turn it on or off");
    }
    return use;
  }

  /** {@return how many of the lowest trained layers give up their graphs} */
  int layers(TokenBatch batch) {
    return switch (mode) {
      case OFF -> 0;
      // The last layer's graph is needed at once: making it anew would save nothing.
      case ON -> Math.max(1, model.recomputable() - 1);
      case AUTO -> withinBudget(batch);
    };
  }

  /**
   * {@return bytes that a loss of one's own takes beside what the head's takes} The head's needs
   * few rows over the vocabulary at a time; another has all, in several stages.
   */
  private long logits(TokenBatch batch) {
    long outputs =
        model.head().outputEmbedding().map(linear -> linear.projection().out()).orElse(0L);
    return allLogits ? LOGITS * Float.BYTES * batch.read().size() * outputs : 0;
  }

  private int withinBudget(TokenBatch batch) {
    MemoryEstimate estimate = model.estimate(batch, process + logits(batch), optimizer);
    int layers = estimate.recomputedWithin(budget);
    LOGGER.debug("{}: {} layers are run again", estimate, layers);
    if (!warned && estimate.peak(layers) > budget) {
      warned = true;
      LOGGER.warn(
          "a budget of {} MiB is too small even with all layers run again; expected {} MiB: {}",
          budget >> 20,
          estimate.peak(layers) >> 20,
          estimate);
    }
    return layers;
  }
}
