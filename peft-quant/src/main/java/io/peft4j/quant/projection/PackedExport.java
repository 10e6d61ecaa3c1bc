package io.peft4j.quant.projection;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.model.Model;
import io.peft4j.model.ModelExport;
import io.peft4j.model.load.StoredNames;
import io.peft4j.model.module.Linear;
import io.peft4j.quant.QuantizationException;
import io.peft4j.quant.checkpoint.BnbConfig;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/**
 * Writes a model on packed weights, with what is merged into them ({@link Merging#REQUANTIZE}), as
 * a folder that transformers with bitsandbytes loads, and this library.
 */
public final class PackedExport {

  private PackedExport() {}

  /**
   * Writes {@code config.json} and {@code model.safetensors}. A folder's {@code
   * quantization_config} is kept; a model that was quantized while it was loaded gets one.
   *
   * @throws IOException if writing fails; files are written whole or not at all
   * @throws QuantizationException if the model has no packed weight
   * @throws IllegalStateException if merged weights are kept dense
   * @throws IllegalArgumentException if {@code folder} is the one that the model was loaded from
   */
  public static void write(Model model, Path folder) throws IOException {
    Map<String, QuantizedProjection> packed = QuantizedProjection.in(model);
    if (packed.isEmpty()) {
      throw new QuantizationException(
          model.checkpoint().path() + ": expected a model on packed weights, found a dense one");
    }
    ObjectNode quantization =
        model.config().json().get("quantization_config") instanceof ObjectNode stored
            ? stored
            : BnbConfig.json(packed.values().iterator().next().config(), dense(model));
    ModelExport.writePacked(model, folder, quantization);
  }

  /** The linear modules that are dense, so that a loader agrees whatever its own default is. */
  private static Set<String> dense(Model model) {
    Set<String> names = new TreeSet<>();
    names.add("lm_head"); // a tied head has no tensor, but transformers makes the module
    String head = ModelExport.storedName(model, StoredNames.HEAD);
    names.add(head.substring(0, head.lastIndexOf('.'))); // or what the family calls it
    model.modules().leaves().stream()
        .filter(leaf -> leaf instanceof Linear linear && linear.weight() != null)
        .forEach(leaf -> names.add(leaf.name()));
    return names;
  }
}
