package io.peft4j.model.module;

import ai.djl.ndarray.NDArray;
import java.util.ArrayList;
import java.util.List;

/** A named projection of a model and the adapters active on it. */
public final class Linear implements Module {

  private final String name;
  private final Projection projection;
  private final List<ProjectionAdapter> adapters = new ArrayList<>();

  public Linear(String name, Projection projection) {
    this.name = name;
    this.projection = projection;
  }

  @Override
  public String name() {
    return name;
  }

  public Projection projection() {
    return projection;
  }

  /** {@return the weight [out, in] as a tensor, or null where it is stored otherwise} */
  public Parameter weight() {
    return projection instanceof DenseProjection dense ? dense.weight() : null;
  }

  @Override
  public List<Parameter> parameters() {
    List<Parameter> parameters = new ArrayList<>();
    if (weight() != null) {
      parameters.add(weight());
    }
    if (projection.bias() != null) {
      parameters.add(projection.bias());
    }
    return parameters;
  }

  @Override
  public long size() {
    long packed = weight() == null ? projection.in() * projection.out() : 0;
    return packed + Module.super.size();
  }

  /** Puts {@code adapter} on top of those already active. */
  public void add(ProjectionAdapter adapter) {
    adapters.add(adapter);
  }

  public void remove(ProjectionAdapter adapter) {
    adapters.remove(adapter);
  }

  /**
   * @param x [.., in]
   * @return [.., out]
   */
  public NDArray forward(NDArray x, Pass pass) {
    NDArray input = x;
    for (ProjectionAdapter adapter : adapters) {
      input = adapter.input(input, pass);
    }
    NDArray y = projection.forward(input);
    for (ProjectionAdapter adapter : adapters) {
      y = adapter.output(x, y, this, pass);
    }
    return y;
  }

  /** {@return whether some adapter of {@code modules} needs what all tokens give it} */
  public static boolean anyReadsAllTokens(List<Module> modules) {
    return modules.stream()
        .anyMatch(
            module ->
                module instanceof Linear linear
                    && linear.adapters.stream().anyMatch(ProjectionAdapter::readsAllTokens));
  }

  /** {@return whether a graph keeps its input} */
  boolean keepsInput() {
    return projection.trainable()
        || adapters.stream().anyMatch(adapter -> adapter.trainable() && adapter.keepsInput());
  }

  /** {@return what a graph keeps for the adapters, beside its input} */
  Kept keptByAdapters() {
    return adapters.stream()
        .filter(ProjectionAdapter::trainable)
        .map(adapter -> adapter.kept(projection.in(), projection.out()))
        .reduce(Kept.NOTHING, Kept::plus);
  }

  @Override
  public boolean trainable() {
    return projection.trainable() || adapters.stream().anyMatch(ProjectionAdapter::trainable);
  }
}
