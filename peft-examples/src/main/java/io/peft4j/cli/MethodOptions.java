package io.peft4j.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.adapter.compose.MixPresets;
import io.peft4j.adapter.method.AdapterConfig;
import io.peft4j.adapter.method.AdapterMethod;
import io.peft4j.adapter.target.ModuleSelector;
import io.peft4j.io.JsonFiles;
import java.io.IOException;
import java.lang.reflect.Field;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** How to adapt: one method, or several that act together. */
@Heading("Method")
final class MethodOptions {

  @Option(
      names = "--method",
      defaultValue = "lora",
      split = ",",
      completionCandidates = MethodNames.class,
      description =
          "One of ${COMPLETION-CANDIDATES}; or several, with commas, to act together. qlora is lora on"
              + " all linear layers of a base in nf4 with double quantization; full trains all"
              + " parameters, saved as a plain checkpoint. Default: lora.")
  private List<String> methods;

  @Option(
      names = {"--method-config", "--method_config"},
      paramLabel = "FILE",
      description =
          "JSON with settings of the method, in the words of its adapter_config.json; of several"
              + " methods by name.")
  private Path settings;

  @MethodKey({"num_virtual_tokens", "prefix_length"})
  @Option(
      names = {"--num-virtual-tokens", "--num_virtual_tokens"},
      description = "Length of a prefix or prompt. Default: 20; of mixes their own.")
  private Integer virtualTokens;

  @MethodKey("reduction_factor")
  @Option(
      names = {"--reduction-factor", "--reduction_factor"},
      description = "Width of the model over that of a bottleneck. Default: the form's own.")
  private Double reductionFactor;

  @Mixin private LoraOptions lora;

  @Spec(Spec.Target.MIXEE)
  private CommandSpec command;

  /**
   * {@return the configs by name, in the order they act} Only the last is for the task, and trains
   * the head.
   *
   * @throws IllegalArgumentException if a method or a setting is not known, or an option or setting
   *     would do nothing
   */
  Map<String, AdapterConfig> configs(String taskType, String baseModel) throws IOException {
    Map<String, MethodPart> parts = parts();
    for (OptionSpec option : command.options()) {
      if (option.userObject() instanceof Field field && option.getValue() != null) {
        MethodKey key = field.getAnnotation(MethodKey.class);
        if (key != null) {
          set(option, key, parts.values());
        }
      }
    }
    settle(parts);
    Map<String, AdapterConfig> configs = new LinkedHashMap<>();
    for (Map.Entry<String, MethodPart> part : parts.entrySet()) {
      boolean last = configs.size() == parts.size() - 1;
      configs.put(
          part.getKey(), part.getValue().config(last ? taskType : null).withBaseModel(baseModel));
    }
    return configs;
  }

  /** {@return whether all parameters are trained, and the result is a plain checkpoint} */
  boolean full() {
    return methods.size() == 1 && trainsBase(methods.get(0).strip().toLowerCase(Locale.ROOT));
  }

  private static boolean trainsBase(String name) {
    return MethodNames.method(name).filter(AdapterMethod::trainsBase).isPresent();
  }

  /** {@return whether the base is to be quantized unless something else is said} */
  boolean qlora() {
    return methods.stream().anyMatch(MethodNames.QLORA::equalsIgnoreCase);
  }

  /** {@return what acts together, by name, as it is where nothing else is said} */
  private Map<String, MethodPart> parts() {
    Map<String, MethodPart> parts = new LinkedHashMap<>();
    for (String each : methods) {
      String name = each.strip().toLowerCase(Locale.ROOT);
      if (methods.size() > 1 && (MethodNames.MIXES.contains(name) || trainsBase(name))) {
        throw new IllegalArgumentException(
            "--method: " + name + " stands alone, found " + String.join(",", methods));
      }
      if (MethodNames.MIXES.contains(name)) {
        MixPresets.named(name, null)
            .forEach((part, config) -> parts.put(part, MethodPart.of(part, config)));
      } else if (parts.put(methods.size() == 1 ? "default" : name, MethodPart.named(name))
          != null) {
        throw new IllegalArgumentException("--method names " + name + " twice");
      }
    }
    return parts;
  }

  private void set(OptionSpec option, MethodKey key, Collection<MethodPart> parts) {
    boolean done = false;
    boolean excepted = false;
    // The last part trains the head, and what is saved beside it.
    boolean once = key.value()[0].equals("modules_to_save");
    for (MethodPart part : backwards(parts)) {
      done |= !(done && once) && part.set(key, value(option));
      excepted |= part.isExceptedFrom(key);
    }
    if (!done && Applicability.asks(option.getValue())) {
      throw new IllegalArgumentException(
          Applicability.asGiven(command, option)
              + " does nothing with --method "
              + String.join(",", methods)
              + (key.instead().isEmpty() || !excepted
                  ? ", which has no '" + String.join("' or '", key.value()) + "' to set"
                  : "; " + key.instead()));
    }
  }

  private static List<MethodPart> backwards(Collection<MethodPart> parts) {
    List<MethodPart> reversed = new ArrayList<>(parts);
    Collections.reverse(reversed);
    return reversed;
  }

  private static Object value(OptionSpec option) {
    Object value = option.getValue();
    if (!option.longestName().equals("--target-modules")) {
      return value;
    }
    List<?> names = (List<?>) value;
    boolean all = names.stream().anyMatch(n -> ModuleSelector.ALL_LINEAR.equalsIgnoreCase("" + n));
    if (all && names.size() > 1) {
      throw new IllegalArgumentException(
          "--target-modules: all-linear stands alone, found " + names);
    }
    return all ? ModuleSelector.ALL_LINEAR : value;
  }

  /** Lays the settings of a file over the options. */
  private void settle(Map<String, MethodPart> parts) throws IOException {
    if (settings == null) {
      return;
    }
    if (!(JsonFiles.read(settings) instanceof ObjectNode given)) {
      throw new IllegalArgumentException(settings + ": expected a JSON object");
    }
    if (parts.size() == 1) {
      parts.values().iterator().next().set(given, settings);
      return;
    }
    for (Map.Entry<String, JsonNode> own : given.properties()) {
      MethodPart part = parts.get(own.getKey());
      if (part == null || !own.getValue().isObject()) {
        throw new IllegalArgumentException(
            settings
                + ": expected an object for some of "
                + parts.keySet()
                + ", found '"
                + own.getKey()
                + "'"
                + (part == null ? "" : ": " + own.getValue()));
      }
      part.set((ObjectNode) own.getValue(), settings);
    }
  }
}
