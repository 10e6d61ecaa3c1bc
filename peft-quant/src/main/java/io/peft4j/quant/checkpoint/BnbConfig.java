package io.peft4j.quant.checkpoint;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.quant.QuantType;
import io.peft4j.quant.QuantizationConfig;
import java.util.Collection;

/** The {@code quantization_config} of a model's {@code config.json}. */
public final class BnbConfig {

  private BnbConfig() {}

  /**
   * {@return the object that transformers' {@code BitsAndBytesConfig} writes} The block size has no
   * place in it: it stands with every weight.
   *
   * @param keptModules linear modules that are stored dense
   */
  public static ObjectNode json(QuantizationConfig config, Collection<String> keptModules) {
    boolean fourBit = config.type().is4Bit();
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    json.put("_load_in_4bit", fourBit);
    json.put("_load_in_8bit", !fourBit);
    json.put("bnb_4bit_compute_dtype", config.computeType().torchName());
    json.put("bnb_4bit_quant_storage", "uint8");
    json.put("bnb_4bit_quant_type", (fourBit ? config.type() : QuantType.FP4).id());
    json.put("bnb_4bit_use_double_quant", config.doubleQuant());
    json.put("llm_int8_enable_fp32_cpu_offload", false);
    json.put("llm_int8_has_fp16_weight", false);
    keptModules.forEach(json.putArray("llm_int8_skip_modules")::add);
    json.put("llm_int8_threshold", 6.0);
    json.put("load_in_4bit", fourBit);
    json.put("load_in_8bit", !fourBit);
    json.put("quant_method", "bitsandbytes");
    return json;
  }
}
