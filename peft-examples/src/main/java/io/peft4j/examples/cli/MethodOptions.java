package io.peft4j.examples.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.adapter.AdapterConfig;
import io.peft4j.adapter.BottleneckPresets;
import io.peft4j.adapter.FullConfig;
import io.peft4j.adapter.LoraConfig;
import io.peft4j.adapter.MethodConfig;
import io.peft4j.adapter.MixPresets;
import io.peft4j.io.JsonFiles;
import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** How to adapt: one method, or several that act together. */
final class MethodOptions {

  private static final List<String> BOTTLENECKS =
      List.of("bottleneck", "pfeiffer", "houlsby", "parallel", "scaled-parallel");

  private static final String NAMES =
      "lora, qlora (lora on all linear layers of a base in nf4 with double quantization), ia3, vera,"
          + " loha, lokr, adalora, prefix-tuning, prompt-tuning, p-tuning, ln-tuning, bitfit,"
          + " bottleneck (pfeiffer, houlsby, parallel, scaled-parallel), gated-lora, gated-prefix,"
          + " mam, unipelt, full (all parameters; saved as a plain checkpoint)";

  @Option(
      names = "--method",
      defaultValue = "lora",
      split = ",",
      description =
          "One of " + NAMES + "; or several, with commas, to act together. Default: lora.")
  private List<String> methods;

  @Option(
      names = {"--method-config", "--method_config"},
      paramLabel = "FILE",
      description =
          "JSON with settings of the method, in the words of its adapter_config.json; of several"
              + " methods by name.")
  private Path settings;

  @Option(
      names = {"--num-virtual-tokens", "--num_virtual_tokens"},
      defaultValue = "20",
      description = "Length of a prefix or prompt. Default: ${DEFAULT-VALUE}.")
  private int virtualTokens;

  @Option(
      names = {"--reduction-factor", "--reduction_factor"},
      description = "Width of the model over that of a bottleneck. Default: the form's own.")
  private Double reductionFactor;

  @Mixin private LoraOptions lora;

  /** {@return the LoRA options by themselves} */
  LoraOptions lora() {
    return lora;
  }

  /**
   * {@return the configs by name, in the order they act} Only the last is for the task, and trains
   * the head.
   *
   * @throws IllegalArgumentException if a method or a setting is not known
   */
  Map<String, AdapterConfig> configs(String taskType, String baseModel) throws IOException {
    ObjectNode given = settings();
    Map<String, AdapterConfig> configs = new LinkedHashMap<>();
    if (full()) {
      return Map.of("default", new FullConfig(baseModel));
    }
    if (methods.size() == 1 && methods.get(0).matches("(?i)mam|unipelt")) {
      MixPresets.named(methods.get(0), taskType)
          .forEach((name, config) -> configs.put(name, config.withBaseModel(baseModel)));
      return configs;
    }
    for (int i = 0; i < methods.size(); i++) {
      String name = methods.get(i).toLowerCase(Locale.ROOT);
      boolean last = i == methods.size() - 1;
      JsonNode own = methods.size() == 1 ? given : given.path(name);
      AdapterConfig config = config(name, own, last ? taskType : null).withBaseModel(baseModel);
      if (configs.put(methods.size() == 1 ? "default" : name, config) != null) {
        throw new IllegalArgumentException("--method names " + name + " twice");
      }
    }
    return configs;
  }

  /** {@return whether all parameters are trained, and the result is a plain checkpoint} */
  boolean full() {
    return methods.size() == 1 && methods.get(0).equalsIgnoreCase("full");
  }

  /** {@return whether the base is to be quantized unless something else is said} */
  boolean qlora() {
    return methods.stream().anyMatch("qlora"::equalsIgnoreCase);
  }

  private ObjectNode settings() throws IOException {
    if (settings == null) {
      return JsonNodeFactory.instance.objectNode();
    }
    if (JsonFiles.read(settings) instanceof ObjectNode object) {
      return object;
    }
    throw new IllegalArgumentException(settings + ": expected a JSON object");
  }

  private AdapterConfig config(String name, JsonNode own, String taskType) {
    if (name.equals("lora") || name.equals("qlora")) {
      ObjectNode json = lora.config(taskType, null, name.equals("qlora")).toJson();
      own.properties().forEach(entry -> json.set(entry.getKey(), entry.getValue()));
      return LoraConfig.ofJson(json);
    }
    MethodConfig config = defaults(name).with("task_type", taskType);
    if (config.knows("num_virtual_tokens")) {
      config = config.with("num_virtual_tokens", virtualTokens);
    }
    if (config.knows("reduction_factor") && reductionFactor != null) {
      config = config.with("reduction_factor", reductionFactor);
    }
    if (config.knows("target_modules") && lora.targets(false) != null) {
      config = config.with("target_modules", lora.targets(false).toJson());
    }
    for (Map.Entry<String, JsonNode> entry : own.properties()) {
      if (!config.knows(entry.getKey())) {
        throw new IllegalArgumentException(
            settings + ": '" + entry.getKey() + "' is no setting of " + name);
      }
      config = config.with(entry.getKey(), entry.getValue());
    }
    return config;
  }

  private static MethodConfig defaults(String name) {
    if (BOTTLENECKS.contains(name)) {
      return BottleneckPresets.named(name.equals("bottleneck") ? "pfeiffer" : name);
    }
    try {
      return MethodConfig.of(name.toUpperCase(Locale.ROOT).replace('-', '_'));
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException("--method: expected " + NAMES + ", found " + name, e);
    }
  }
}
