package io.peft4j.model.decoder;

import com.fasterxml.jackson.databind.JsonNode;
import io.peft4j.model.load.ModelConfig;
import java.util.function.IntPredicate;

/** The {@code layer_types} of a config: which of its layers see a window only. */
public final class LayerTypes {

  private static final String KEY = "layer_types";

  private LayerTypes() {}

  /**
   * {@return whether a layer slides}
   *
   * @param otherwise says it where the config does not
   * @throws IllegalArgumentException if the config has another number of layers, or other kinds
   */
  public static IntPredicate sliding(ModelConfig config, IntPredicate otherwise) {
    JsonNode kinds = config.json().get(KEY);
    if (kinds == null || !kinds.isArray()) {
      return otherwise;
    }
    int layers = config.layers("num_hidden_layers");
    if (kinds.size() != layers) {
      throw config.unsupported(KEY, "a list of " + layers + " names");
    }
    boolean[] sliding = new boolean[layers];
    for (int i = 0; i < layers; i++) {
      String kind = kinds.get(i).asText();
      if (!kind.equals("sliding_attention") && !kind.equals("full_attention")) {
        throw config.unsupported(KEY, "sliding_attention, full_attention");
      }
      sliding[i] = kind.equals("sliding_attention");
    }
    return layer -> sliding[layer];
  }
}
