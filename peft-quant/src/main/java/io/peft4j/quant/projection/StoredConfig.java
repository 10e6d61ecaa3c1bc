package io.peft4j.quant.projection;

import com.fasterxml.jackson.databind.JsonNode;
import io.peft4j.quant.FloatType;
import io.peft4j.quant.QuantType;
import io.peft4j.quant.QuantizationConfig;
import io.peft4j.quant.QuantizationException;
import io.peft4j.safetensors.Checkpoint;
import java.util.Locale;

/** Reads what transformers' {@code BitsAndBytesConfig} leaves in {@code config.json}. */
final class StoredConfig {

  private StoredConfig() {}

  /**
   * The config of a folder that is quantized. The block size is not in it: it stands with every
   * weight.
   *
   * @param asked what the user asked for, whose compute type wins; may be null
   * @throws QuantizationException if another library quantized it, or it is not as asked
   */
  static QuantizationConfig read(Checkpoint checkpoint, JsonNode json, QuantizationConfig asked) {
    String method = json.path("quant_method").asText("bitsandbytes");
    if (!method.equals("bitsandbytes")) {
      throw wrong(checkpoint, "quant_method", "bitsandbytes", method);
    }
    boolean fourBit = json.path("load_in_4bit").asBoolean(json.path("_load_in_4bit").asBoolean());
    boolean eightBit = json.path("load_in_8bit").asBoolean(json.path("_load_in_8bit").asBoolean());
    if (fourBit == eightBit) {
      throw wrong(checkpoint, "load_in_4bit", "true, or load_in_8bit", "both " + fourBit);
    }
    String name = fourBit ? json.path("bnb_4bit_quant_type").asText("fp4") : QuantType.INT8.id();
    QuantType type = naming(checkpoint, "bnb_4bit_quant_type", name);
    if (asked != null && asked.type() != type) {
      throw new QuantizationException(
          String.format(
              Locale.ROOT,
              "%s: is stored as %s, asked for as %s; quantize the dense model instead",
              checkpoint.path(),
              type.id(),
              asked.type().id()));
    }
    String compute = json.path("bnb_4bit_compute_dtype").asText("float32");
    boolean doubleQuant = fourBit && json.path("bnb_4bit_use_double_quant").asBoolean();
    return QuantizationConfig.of(type)
        .withDoubleQuant(doubleQuant)
        .withComputeType(asked != null ? asked.computeType() : computeType(checkpoint, compute));
  }

  private static FloatType computeType(Checkpoint checkpoint, String name) {
    try {
      return FloatType.ofTorchName(name.replace("torch.", ""));
    } catch (QuantizationException e) {
      throw wrong(checkpoint, "bnb_4bit_compute_dtype", "float32, float16 or bfloat16", name);
    }
  }

  private static QuantType naming(Checkpoint checkpoint, String key, String name) {
    try {
      return QuantType.of(name);
    } catch (QuantizationException e) {
      throw wrong(checkpoint, key, "nf4 or fp4", name);
    }
  }

  private static QuantizationException wrong(
      Checkpoint checkpoint, String key, String expected, String found) {
    return new QuantizationException(
        String.format(
            Locale.ROOT,
            "%s: config.json: 'quantization_config.%s': expected %s, found %s",
            checkpoint.path(),
            key,
            expected,
            found));
  }
}
