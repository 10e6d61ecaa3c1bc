package io.peft4j.model.module;

import ai.djl.ndarray.NDArray;
import io.peft4j.torch.Ops;
import java.util.ArrayList;
import java.util.List;

/** A named table of vectors, one a row, and the adapters active on it. */
public final class Embedding implements Module {

  private final String name;
  private final Parameter weight;
  private final NDArray scale;
  private final Runnable forget;
  private final List<EmbeddingAdapter> adapters = new ArrayList<>();

  public Embedding(String name, Parameter weight) {
    this(name, weight, null, () -> {});
  }

  /**
   * @param scale factor on the rows, 0-d in the model's precision, or null for one
   * @param forget called when rows have been read, to take the others' pages out of memory
   */
  public Embedding(String name, Parameter weight, NDArray scale, Runnable forget) {
    this.name = name;
    this.forget = forget;
    this.scale = scale;
    this.weight = weight;
  }

  @Override
  public String name() {
    return name;
  }

  /** {@return the table [rows, dim]} */
  public Parameter weight() {
    return weight;
  }

  @Override
  public List<Parameter> parameters() {
    return List.of(weight);
  }

  public void add(EmbeddingAdapter adapter) {
    adapters.add(adapter);
  }

  public void remove(EmbeddingAdapter adapter) {
    adapters.remove(adapter);
  }

  /**
   * @param ids int64 [..]
   * @return [.., dim] on {@code ids}' manager
   */
  public NDArray forward(NDArray ids, Pass pass) {
    NDArray known = ids;
    for (EmbeddingAdapter adapter : adapters) {
      known = adapter.ids(known);
    }
    NDArray y = pass.cast(Ops.embedding(known, weight.value()));
    forget.run();
    // Who changes the table comes first; to them, numbers that others have of their own mean
    // nothing.
    for (EmbeddingAdapter adapter : adapters) {
      y = adapter.mergeable() ? adapter.output(known, y, this, pass) : y;
    }
    if (scale != null) {
      y = y.mul(scale);
    }
    for (EmbeddingAdapter adapter : adapters) {
      y = adapter.mergeable() ? y : adapter.output(ids, y, this, pass);
    }
    return y;
  }

  /** {@return what a graph keeps for the adapters}; of itself it keeps nothing but the numbers */
  public Kept kept() {
    long dim = weight.shape().get(1);
    return adapters.stream()
        .filter(EmbeddingAdapter::trainable)
        .map(adapter -> adapter.kept(dim))
        .reduce(Kept.NOTHING, Kept::plus);
  }

  @Override
  public boolean trainable() {
    return weight.trainable() || adapters.stream().anyMatch(EmbeddingAdapter::trainable);
  }
}
