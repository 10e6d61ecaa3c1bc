package io.peft4j.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.quant.FourBitTensor;
import io.peft4j.quant.QuantizedTensor;
import io.peft4j.quant.bnb.BnbFormat;
import io.peft4j.safetensors.Checkpoint;
import java.util.HashSet;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/** The quantized weights of a checkpoint, checked by reading their states. */
final class QuantizedParts {

  private final Set<String> tensors = new HashSet<>();
  private final Map<String, Integer> weightsByKind = new TreeMap<>();
  private long parameters;
  private long bytes;

  private QuantizedParts() {}

  /**
   * @throws IllegalArgumentException if a weight's parts do not fit each other
   */
  static QuantizedParts of(Checkpoint checkpoint) {
    QuantizedParts parts = new QuantizedParts();
    for (String name : checkpoint.names()) {
      if (BnbFormat.isQuantized(checkpoint, name)) {
        QuantizedTensor weight = BnbFormat.read(checkpoint, name);
        parts.parameters += weight.count();
        parts.bytes += weight.storedBytes();
        parts.weightsByKind.merge(kind(weight), 1, Integer::sum);
        parts.tensors.add(name);
        BnbFormat.write(name, weight).forEach(part -> parts.tensors.add(part.name()));
      }
    }
    return parts;
  }

  private static String kind(QuantizedTensor weight) {
    String doubled = weight.config().doubleQuant() ? ", double quantization" : "";
    return weight instanceof FourBitTensor fourBit
        ? String.format(
            Locale.ROOT, "%s, block %d%s", weight.type().id(), fourBit.blockSize(), doubled)
        : weight.type().id();
  }

  /** {@return how many numbers the quantized weights stand for} */
  long parameters() {
    return parameters;
  }

  /** {@return whether a tensor is a part of a quantized weight} */
  boolean contains(String tensor) {
    return tensors.contains(tensor);
  }

  /** Adds what was found, if anything. */
  void describe(ObjectNode model) {
    if (parameters > 0) {
      ObjectNode quantized = model.putObject("quantized");
      quantized.put("parameters", parameters);
      quantized.put("bytes", bytes);
      quantized.put("bits_per_weight", 8.0 * bytes / parameters);
      ObjectNode kinds = quantized.putObject("weights");
      weightsByKind.forEach(kinds::put);
    }
  }
}
