package io.peft4j.adapter;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import io.peft4j.model.Embedding;
import io.peft4j.model.EmbeddingAdapter;
import io.peft4j.model.Linear;
import io.peft4j.model.Parameter;
import io.peft4j.model.ProjectionAdapter;
import io.peft4j.torch.Ops;
import java.util.ArrayList;
import java.util.List;

/**
 * Adapters folded into a model's weights: the merged tensors lie over the base's, and {@link #undo}
 * takes them away.
 */
final class Merge {

  private final NDManager manager;
  private final List<Adapter> activeBefore;
  private final List<Parameter> parameters = new ArrayList<>();
  private final List<Linear> linears = new ArrayList<>();

  /**
   * @param manager owner of merged tensors, closed by {@link #undo}
   * @param activeBefore the adapters that are to act again once nothing is merged
   */
  Merge(NDManager manager, List<Adapter> activeBefore) {
    this.manager = manager;
    this.activeBefore = activeBefore;
  }

  void fold(Adapter adapter) {
    if (!adapter.attachments().isEmpty()) {
      throw new IllegalArgumentException(
          adapter.name()
              + ": "
              + adapter.config().peftType()
              + " cannot be merged, since it is no change of weights");
    }
    adapter.overlays().forEach(this::lay);
    adapter.projections().forEach(this::fold);
    adapter.embeddings().forEach(this::fold);
  }

  private void lay(Parameter parameter, NDArray value) {
    parameter.lay(this, value);
    parameters.add(parameter);
  }

  private void fold(Linear linear, ProjectionAdapter adapter) {
    if (!adapter.mergeable()) {
      throw new IllegalArgumentException(
          linear.name() + ": " + adapter.getClass().getSimpleName() + " cannot be merged");
    }
    try (NDManager scope = manager.newSubManager()) {
      NDArray merged =
          adapter.mergedWeight(
              linear.projection().weight(scope), linear.projection().storedWeight(scope), scope);
      checkFinite(linear.name(), merged);
      merged.detach();
      linears.add(linear);
      linear.projection().merge(merged);
      Parameter bias = linear.projection().bias();
      NDArray wide = bias == null ? null : Ops.toFloat32(bias.value());
      NDArray mergedBias = adapter.mergedBias(wide, manager);
      if (wide != null) {
        wide.close();
      }
      if (mergedBias != null && bias == null) {
        throw new IllegalArgumentException(
            linear.name() + ": has no bias that lora_bias could be merged into");
      }
      if (mergedBias != null) {
        checkFinite(bias.name(), mergedBias);
        lay(bias, mergedBias);
      }
    }
  }

  private void fold(Embedding embedding, EmbeddingAdapter adapter) {
    try (NDArray wide = Ops.toFloat32(embedding.weight().value());
        NDArray base = Ops.toFloat32(embedding.weight().base())) {
      NDArray merged = adapter.mergedTable(wide, base, manager);
      checkFinite(embedding.name(), merged);
      lay(embedding.weight(), merged);
    }
  }

  private static void checkFinite(String name, NDArray merged) {
    try (NDArray sum = merged.sum()) {
      float total = sum.getFloat();
      if (!Float.isFinite(total)) {
        throw new ArithmeticException(
            name + ": the merged weight should be finite, found " + total + " as its sum");
      }
    }
  }

  void undo() {
    linears.forEach(linear -> linear.projection().unmerge());
    parameters.forEach(parameter -> parameter.lift(this));
    manager.close();
    activeBefore.forEach(Adapter::activate);
  }
}
