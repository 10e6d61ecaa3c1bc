package io.peft4j.quant.checkpoint;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.core.util.DefaultIndenter;
import com.fasterxml.jackson.core.util.DefaultPrettyPrinter;
import com.fasterxml.jackson.core.util.Separators;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.quant.QuantType;
import io.peft4j.quant.QuantizationConfig;
import io.peft4j.quant.QuantizationException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** A model's {@code config.json}, and the {@code quantization_config} that goes into it. */
final class HfConfig {
  static final String FILE = "config.json";

  private static final String KEY = "quantization_config";
  private static final ObjectMapper JSON = new ObjectMapper();

  private final ObjectNode root;

  private HfConfig(ObjectNode root) {
    this.root = root;
  }

  static HfConfig read(Path folder) throws IOException {
    Path file = folder.resolve(FILE);
    JsonNode json;
    try {
      json = JSON.readTree(Files.readAllBytes(file));
    } catch (JacksonException e) {
      throw new QuantizationException(file + ": is no JSON: " + e.getOriginalMessage(), e);
    }
    if (!(json instanceof ObjectNode object)) {
      throw new QuantizationException(file + ": expected a JSON object");
    }
    if (object.hasNonNull(KEY)) {
      throw new QuantizationException(
          "%s: has '%s' already; quantize the dense model".formatted(file, KEY));
    }
    return new HfConfig(object);
  }

  String modelType() {
    return root.path("model_type").asText("");
  }

  /**
   * The file with the object that transformers' {@code BitsAndBytesConfig} writes. The block size
   * has no place in it: it stands with every weight.
   *
   * @param keptModules linear modules that are stored dense
   */
  String with(QuantizationConfig config, List<String> keptModules) throws IOException {
    boolean fourBit = config.type().is4Bit();
    ObjectNode copy = root.deepCopy();
    ObjectNode quantization = copy.putObject(KEY);
    quantization.put("_load_in_4bit", fourBit);
    quantization.put("_load_in_8bit", !fourBit);
    quantization.put("bnb_4bit_compute_dtype", config.computeType().torchName());
    quantization.put("bnb_4bit_quant_storage", "uint8");
    quantization.put("bnb_4bit_quant_type", (fourBit ? config.type() : QuantType.FP4).id());
    quantization.put("bnb_4bit_use_double_quant", config.doubleQuant());
    quantization.put("llm_int8_enable_fp32_cpu_offload", false);
    quantization.put("llm_int8_has_fp16_weight", false);
    keptModules.forEach(quantization.putArray("llm_int8_skip_modules")::add);
    quantization.put("llm_int8_threshold", 6.0);
    quantization.put("load_in_4bit", fourBit);
    quantization.put("load_in_8bit", !fourBit);
    quantization.put("quant_method", "bitsandbytes");
    DefaultIndenter indenter = new DefaultIndenter("  ", "\n");
    Separators separators =
        Separators.createDefaultInstance()
            .withObjectFieldValueSpacing(Separators.Spacing.AFTER)
            .withArrayEmptySeparator("")
            .withObjectEmptySeparator("");
    DefaultPrettyPrinter printer = new DefaultPrettyPrinter(separators);
    printer.indentObjectsWith(indenter);
    printer.indentArraysWith(indenter);
    return JSON.writer(printer).writeValueAsString(copy) + "\n";
  }
}
