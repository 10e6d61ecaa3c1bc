package io.peft4j.adapter.lora;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.adapter.method.ConfigKeys;
import io.peft4j.adapter.method.ConfigReader;
import io.peft4j.adapter.target.ModuleSelector;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.TreeSet;

/** {@link LoraConfig} to and from peft's {@code adapter_config.json}. */
public final class LoraConfigJson {

  private static final String INITIALIZED = "how it was initialized";

  /** Keys of LoRA, and of its kind, that nothing is read from. */
  static final ConfigKeys KEYS =
      ConfigKeys.of("LoRA")
          .idle("runtime_config", "is for one process; peft drops it from files")
          .idle("megatron_core", "a Python module; goes with megatron_config")
          .idle("qalora_group_size", "goes with use_qalora")
          .idle("loftq_config", INITIALIZED)
          .idle("eva_config", INITIALIZED)
          .idle("corda_config", INITIALIZED)
          .idle("lora_ga_config", INITIALIZED)
          .unsupported(
              "arrow_config", "kasa_config", "velora_config", "monteclora_config", "use_bdlora")
          .unsupportedUnlessEmpty(
              "target_parameters",
              "trainable_token_indices",
              "layer_replication",
              "use_qalora",
              "alora_invocation_tokens",
              "megatron_config");

  private LoraConfigJson() {}

  static ObjectNode write(LoraConfig config) {
    ObjectNode json = config.other();
    json.put("peft_type", config.peftType());
    json.put("r", config.r());
    ConfigReader.number(json, "lora_alpha", config.loraAlpha());
    json.put("lora_dropout", config.loraDropout());
    json.set("target_modules", selector(config.targetModules()));
    json.set("exclude_modules", selector(config.excludeModules()));
    json.set("modules_to_save", texts(config.modulesToSave()));
    json.put("bias", config.bias().name().toLowerCase(Locale.ROOT));
    if (config.layersToTransform() == null) {
      json.putNull("layers_to_transform");
    } else {
      var layers = json.putArray("layers_to_transform");
      config.layersToTransform().forEach(layers::add);
    }
    json.set("layers_pattern", texts(config.layersPattern()));
    ObjectNode ranks = json.putObject("rank_pattern");
    config.rankPattern().forEach(ranks::put);
    ObjectNode alphas = json.putObject("alpha_pattern");
    config.alphaPattern().forEach((key, alpha) -> ConfigReader.number(alphas, key, alpha));
    json.put("use_rslora", config.useRslora());
    json.put("use_dora", config.useDora());
    json.set("init_lora_weights", config.init().toJson());
    json.put("fan_in_fan_out", config.fanInFanOut());
    json.put("lora_bias", config.loraBias());
    json.put("task_type", config.taskType());
    json.put("base_model_name_or_path", config.baseModel());
    json.put("inference_mode", config.inferenceMode());
    return json;
  }

  private static JsonNode selector(ModuleSelector selector) {
    return selector == null ? JsonNodeFactory.instance.nullNode() : selector.toJson();
  }

  private static JsonNode texts(List<String> texts) {
    return texts == null
        ? JsonNodeFactory.instance.nullNode()
        : ModuleSelector.names(texts).toJson();
  }

  static LoraConfig read(ObjectNode json) {
    ConfigReader reader = new ConfigReader(json.deepCopy());
    String type = reader.text("peft_type", "LORA");
    if (!type.equals("LORA")) {
      throw new IllegalArgumentException("'peft_type': expected LORA, found " + type);
    }
    LoraConfig.Builder builder =
        LoraConfig.builder()
            .r(reader.integer("r", 8))
            .loraAlpha(reader.number("lora_alpha", 8))
            .loraDropout(reader.number("lora_dropout", 0))
            .targetModules(ModuleSelector.ofJson("target_modules", reader.take("target_modules")))
            .excludeModules(
                ModuleSelector.ofJson("exclude_modules", reader.take("exclude_modules")))
            .modulesToSave(reader.texts("modules_to_save"))
            .bias(bias(reader.text("bias", "none")))
            .layersToTransform(reader.integers("layers_to_transform"))
            .layersPattern(reader.texts("layers_pattern"))
            .rankPattern(reader.ranks("rank_pattern"))
            .alphaPattern(reader.numbers("alpha_pattern"))
            .useRslora(reader.flag("use_rslora"))
            .useDora(reader.flag("use_dora"))
            .init(LoraInit.ofJson(reader.take("init_lora_weights")))
            .fanInFanOut(reader.flag("fan_in_fan_out"))
            .loraBias(reader.flag("lora_bias"))
            .taskType(reader.text("task_type", null))
            .baseModel(reader.text("base_model_name_or_path", null))
            .inferenceMode(reader.flag("inference_mode"));
    ObjectNode rest = reader.rest();
    KEYS.refuseUnsupported(rest);
    return builder.other(rest).build();
  }

  /** {@return sentences on those of the keys without component that nobody knows} */
  static List<String> unknownKeys(ObjectNode other) {
    return KEYS.unknown("LORA", other, keys());
  }

  /** {@return the keys that a config is read from} */
  public static Set<String> keys() {
    Set<String> keys = new TreeSet<>();
    write(LoraConfig.builder().build()).fieldNames().forEachRemaining(keys::add);
    keys.add(LoraConfig.WEIGHT_TYING);
    return keys;
  }

  private static LoraConfig.Bias bias(String text) {
    for (LoraConfig.Bias bias : LoraConfig.Bias.values()) {
      if (bias.name().equalsIgnoreCase(text)) {
        return bias;
      }
    }
    throw new IllegalArgumentException("'bias': expected none, all or lora_only, found " + text);
  }
}
