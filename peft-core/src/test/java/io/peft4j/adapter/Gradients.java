package io.peft4j.adapter;

import static org.junit.jupiter.api.Assertions.assertEquals;

import ai.djl.ndarray.NDArray;
import io.peft4j.adapter.method.Adapter;
import io.peft4j.adapter.method.Floats;
import io.peft4j.safetensors.SafetensorsFile;
import io.peft4j.safetensors.TensorInfo;
import io.peft4j.torch.Autograd;
import java.io.IOException;
import java.nio.file.Path;
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

  /** {@return the tensors of a file, without peft's prefix} */
  static Map<String, float[]> read(Path file) throws IOException {
    Map<String, float[]> tensors = new TreeMap<>();
    try (SafetensorsFile opened = SafetensorsFile.open(file)) {
      for (TensorInfo info : opened.tensors().values()) {
        tensors.put(
            info.name().replaceFirst("^base_model\\.(model\\.)?", ""), Floats.read(opened, info));
      }
    }
    return tensors;
  }

  /** {@return the largest of |a - b| / |b| over tensors, by L2 norms} */
  static double distance(Map<String, float[]> a, Map<String, float[]> b) {
    assertEquals(b.keySet(), a.keySet());
    double worst = 0;
    for (String key : b.keySet()) {
      double difference = 0;
      double square = 1e-12;
      for (int i = 0; i < b.get(key).length; i++) {
        difference += Math.pow(a.get(key)[i] - b.get(key)[i], 2);
        square += Math.pow(b.get(key)[i], 2);
      }
      worst = Math.max(worst, Math.sqrt(difference / square));
    }
    return worst;
  }
}
