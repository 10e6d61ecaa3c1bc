package io.peft4j.model.module;

import ai.djl.ndarray.NDArray;
import java.util.ArrayList;
import java.util.List;

/**
 * Where the output of a sub-layer joins what went around it: {@code norm(y + residual)} in a
 * post-norm model, {@code y + residual} in a pre-norm one. The place of bottleneck adapters.
 */
public final class Junction {

  private final String name;
  private final Norm norm;
  private final List<JunctionAdapter> adapters = new ArrayList<>();

  /**
   * @param norm null where the model has none at this place
   */
  public Junction(String name, Norm norm) {
    this.name = name;
    this.norm = norm;
  }

  /** {@return the name that the adapters library has for it} */
  public String name() {
    return name;
  }

  /** Puts {@code adapter} after those already active. */
  public void add(JunctionAdapter adapter) {
    adapters.add(adapter);
  }

  public void remove(JunctionAdapter adapter) {
    adapters.remove(adapter);
  }

  public NDArray join(NDArray y, NDArray residual, Pass pass) {
    NDArray hidden = y;
    JunctionAdapter last = null;
    for (JunctionAdapter adapter : adapters) {
      if (adapter.runs(pass)) {
        hidden = adapter.apply(hidden, residual, norm, pass);
        last = adapter;
      }
    }
    if (last != null) {
      return last.join(hidden, y, residual, norm);
    }
    NDArray sum = y.addi(residual); // no graph keeps a projection's output
    return norm == null ? sum : norm.forward(sum);
  }

  /** {@return what the adapters' graphs keep}; frozen ones of a trained layer count as others do */
  Kept kept(long hidden) {
    return adapters.stream().map(adapter -> adapter.kept(hidden)).reduce(Kept.NOTHING, Kept::plus);
  }

  boolean readsAllTokens() {
    return adapters.stream().anyMatch(JunctionAdapter::readsAllTokens);
  }

  boolean trainable() {
    return adapters.stream().anyMatch(JunctionAdapter::trainable);
  }
}
