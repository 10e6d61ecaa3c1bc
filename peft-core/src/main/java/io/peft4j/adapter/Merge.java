package io.peft4j.adapter;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import io.peft4j.adapter.method.Adapter;
import io.peft4j.model.module.Embedding;
import io.peft4j.model.module.EmbeddingAdapter;
import io.peft4j.model.module.Linear;
import io.peft4j.model.module.Parameter;
import io.peft4j.model.module.Projection;
import io.peft4j.model.module.ProjectionAdapter;
import io.peft4j.torch.Ops;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/**
 * Adapters folded into a model's weights: the merged tensors lie over the base's, and {@link #undo}
 * takes them away.
 */
final class Merge {

  private final NDManager manager;
  private final List<Adapter> activeBefore;
  private final List<Parameter> parameters = new ArrayList<>();
  private final List<Linear> linears = new ArrayList<>();
  private final Map<Parameter, NDArray> carried = new LinkedHashMap<>();

  /**
   * @param manager owner of merged tensors, closed by {@link #undo}
   * @param activeBefore the adapters that are to act again once nothing is merged
   */
  Merge(NDManager manager, List<Adapter> activeBefore) {
    this.manager = manager;
    this.activeBefore = activeBefore;
  }

  /**
   * Folds adapters in, in this order. A weight is changed in float32 by all of them and then kept
   * as its projection keeps it, so that it is rounded, or quantized, once.
   */
  void fold(List<Adapter> adapters) {
    for (Adapter adapter : adapters) {
      if (!adapter.attachments().isEmpty()) {
        throw new IllegalArgumentException(
            adapter.name()
                + ": "
                + adapter.config().peftType()
                + " cannot be merged, since it is no change of weights");
      }
      adapter.carried().forEach(this::lay);
      carried.putAll(adapter.carried());
    }
    adapters.forEach(adapter -> adapter.overlays().forEach(this::lay));
    Map<Linear, Embedding> tied = tied(adapters);
    byPlace(adapters, Adapter::projections)
        .forEach(
            (linear, parts) -> {
              if (!tied.containsKey(linear)) {
                foldLinear(linear, parts);
              }
            });
    byPlace(adapters, Adapter::embeddings).forEach(this::foldEmbedding);
    tied.forEach((head, words) -> lay(head.weight(), words.weight().value()));
  }

  /** {@return heads that remain one with their embedding: they get the same table} */
  private static Map<Linear, Embedding> tied(List<Adapter> adapters) {
    Map<Linear, Embedding> tied = new LinkedHashMap<>();
    for (Adapter adapter : adapters) {
      adapter
          .tied()
          .forEach(
              (head, words) -> {
                boolean always =
                    adapters.stream()
                        .allMatch(
                            other ->
                                other.tied().containsKey(head)
                                    || !(other.projections().containsKey(head)
                                        || other.embeddings().containsKey(words)));
                if (always && adapter.tiedAlike(head)) {
                  tied.put(head, words);
                }
              });
    }
    return tied;
  }

  private static <P, A> Map<P, List<A>> byPlace(
      List<Adapter> adapters, Function<Adapter, Map<P, A>> parts) {
    Map<P, List<A>> places = new LinkedHashMap<>();
    for (Adapter adapter : adapters) {
      parts
          .apply(adapter)
          .forEach(
              (place, part) -> places.computeIfAbsent(place, p -> new ArrayList<>()).add(part));
    }
    return places;
  }

  private void lay(Parameter parameter, NDArray value) {
    parameter.lay(this, value);
    parameters.add(parameter);
  }

  private void foldLinear(Linear linear, List<ProjectionAdapter> adapters) {
    for (ProjectionAdapter adapter : adapters) {
      if (!adapter.mergeable()) {
        throw new IllegalArgumentException(
            linear.name() + ": " + adapter.getClass().getSimpleName() + " cannot be merged");
      }
    }
    Projection projection = linear.projection();
    try (NDManager scope = manager.newSubManager();
        NDArray base = base(linear, scope)) {
      NDArray merged = projection.weight(scope);
      for (ProjectionAdapter adapter : adapters) {
        try (NDArray before = merged) {
          merged = adapter.mergedWeight(before, base, scope);
        }
      }
      checkFinite(linear.name(), merged);
      merged.detach();
      linears.add(linear);
      projection.merge(merged);
      checkFinite(linear.name(), projection.weight(scope)); // as it is kept
    }
    foldBias(linear, adapters);
  }

  /** {@return a weight without adapters, float32}; another than the base's if one came with them */
  private NDArray base(Linear linear, NDManager scope) {
    NDArray own = linear.weight() == null ? null : carried.get(linear.weight());
    return own == null ? linear.projection().storedWeight(scope) : Ops.wideCopy(own, scope);
  }

  private void foldBias(Linear linear, List<ProjectionAdapter> adapters) {
    Parameter bias = linear.projection().bias();
    try (NDManager scope = manager.newSubManager()) {
      NDArray before = bias == null ? null : Ops.wideCopy(bias.value(), scope);
      NDArray merged = before;
      for (ProjectionAdapter adapter : adapters) {
        NDArray changed = adapter.mergedBias(merged, scope);
        merged = changed == null ? merged : changed;
      }
      if (merged == before) {
        return;
      }
      if (bias == null) {
        throw new IllegalArgumentException(
            linear.name() + ": has no bias that lora_bias could be merged into");
      }
      checkFinite(bias.name(), merged);
      merged.attach(manager);
      lay(bias, merged);
    }
  }

  private void foldEmbedding(Embedding embedding, List<EmbeddingAdapter> adapters) {
    Parameter table = embedding.weight();
    try (NDArray base = Ops.toFloat32(carried.getOrDefault(table, table.base()))) {
      NDArray merged = Ops.toFloat32(table.value());
      for (EmbeddingAdapter adapter : adapters) {
        try (NDArray before = merged) {
          merged = adapter.mergedTable(before, base, manager);
        }
      }
      checkFinite(embedding.name(), merged);
      lay(table, merged);
    }
  }

  private static void checkFinite(String name, NDArray merged) {
    try (NDArray magnitudes = merged.abs();
        NDArray largest = magnitudes.max()) {
      float found = largest.getFloat();
      if (!Float.isFinite(found)) {
        throw new ArithmeticException(
            name + ": the merged weight should be finite, found " + found);
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
