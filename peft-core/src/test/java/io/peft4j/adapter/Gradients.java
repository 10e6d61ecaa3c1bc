package io.peft4j.adapter;

import ai.djl.ndarray.NDArray;
import io.peft4j.torch.Autograd;
import java.util.Map;
import java.util.TreeMap;

/** Gradients of an adapter's tensors. */
final class Gradients {

  private Gradients() {}

  /** {@return them by key; each tensor has to have one} */
  static Map<String, float[]> of(Adapter adapter) {
    Map<String, float[]> gradients = new TreeMap<>();
    for (Map.Entry<String, NDArray> entry : adapter.tensors().entrySet()) {
      try (NDArray gradient = Autograd.gradient(entry.getValue())) {
        gradients.put(entry.getKey(), gradient.toFloatArray());
      }
    }
    return gradients;
  }

  /** As {@link #of}, and sets them to zero. */
  static Map<String, float[]> take(Adapter adapter) {
    Map<String, float[]> gradients = of(adapter);
    adapter.clearGradients();
    return gradients;
  }
}
