package io.peft4j.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.adapter.lora.LoraConfig;
import io.peft4j.adapter.lora.LoraInit;
import io.peft4j.adapter.method.AdapterConfig;
import io.peft4j.adapter.method.AdapterMethods;
import io.peft4j.adapter.method.MethodConfig;
import io.peft4j.io.JsonFiles;
import io.peft4j.io.Spelling;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/** One method of those that are to act together, while its config is put together. */
final class MethodPart {

  private static final ObjectMapper JSON = JsonFiles.MAPPER;

  /** Keys of every config that are no settings. */
  private static final Set<String> ABOUT =
      Set.of(
          "peft_type",
          "auto_mapping",
          "base_model_name_or_path",
          "revision",
          "task_type",
          "inference_mode");

  private static final int VIRTUAL_TOKENS = 20;

  private final String name;
  private final AdapterConfig start;
  private final ObjectNode given = JsonNodeFactory.instance.objectNode();

  private MethodPart(String name, AdapterConfig start) {
    this.name = name;
    this.start = start;
  }

  /** A part of a mix. */
  static MethodPart of(String name, AdapterConfig start) {
    return new MethodPart(name, start);
  }

  /**
   * A method by itself.
   *
   * @throws IllegalArgumentException if there is none of that name
   */
  static MethodPart named(String name) {
    boolean qlora = name.equals(MethodNames.QLORA);
    if (qlora || name.equals("lora")) {
      return new MethodPart(name, LoraOptions.defaults(qlora));
    }
    AdapterConfig start =
        MethodNames.config(name)
            .orElseThrow(
                () ->
                    new IllegalArgumentException(
                        "--method: expected "
                            + MethodNames.told()
                            + ", or several of them, found "
                            + name));
    boolean prompt = start instanceof MethodConfig config && config.knows("num_virtual_tokens");
    return new MethodPart(
        name, prompt ? ((MethodConfig) start).with("num_virtual_tokens", VIRTUAL_TOKENS) : start);
  }

  /** {@return whether the method has the key, but other uses for it or none} */
  boolean isExceptedFrom(MethodKey key) {
    String kind = start.peftType().toLowerCase(Locale.ROOT).replace('_', '-');
    return List.of(key.except()).contains(kind);
  }

  /** {@return whether the method has the key, which is then set} */
  boolean set(MethodKey key, Object value) {
    if (isExceptedFrom(key)) {
      return false;
    }
    for (String each : key.value()) {
      if (knows(each)) {
        given.set(each, json(value));
        return true;
      }
    }
    return false;
  }

  /**
   * Sets what a file has.
   *
   * @throws IllegalArgumentException if a key is no setting of the method
   */
  void set(ObjectNode settings, Path file) {
    for (Map.Entry<String, JsonNode> entry : settings.properties()) {
      if (!knows(entry.getKey())) {
        List<String> near = Spelling.meant(entry.getKey(), keys());
        throw new IllegalArgumentException(
            file
                + ": '"
                + entry.getKey()
                + "' is no setting of "
                + name
                + (near.isEmpty() ? "" : "; near: " + String.join(", ", near)));
      }
      given.set(entry.getKey(), entry.getValue());
    }
  }

  private boolean knows(String key) {
    return start instanceof MethodConfig config ? config.knows(key) : keys().contains(key);
  }

  private List<String> keys() {
    List<String> keys = new ArrayList<>();
    start.toJson().fieldNames().forEachRemaining(keys::add);
    keys.removeAll(ABOUT);
    return keys;
  }

  /** Whole numbers stay so: peft has ranks and alphas as integers. */
  private static JsonNode json(Object value) {
    if (value instanceof Double number && number == Math.rint(number)) {
      return JSON.valueToTree(number.longValue());
    }
    if (value instanceof LoraInit init) {
      return LoraConfig.builder().init(init).build().toJson().get("init_lora_weights");
    }
    return value instanceof Enum<?> word
        ? JSON.valueToTree(word.name().toLowerCase(Locale.ROOT))
        : JSON.valueToTree(value);
  }

  /** {@return the config, for a task or for none} */
  AdapterConfig config(String taskType) {
    if (start instanceof MethodConfig) {
      MethodConfig config = ((MethodConfig) start).with("task_type", taskType);
      for (Map.Entry<String, JsonNode> entry : given.properties()) {
        config = config.with(entry.getKey(), entry.getValue());
      }
      return config;
    }
    ObjectNode json = start.toJson().put("task_type", taskType);
    json.setAll(given);
    return AdapterMethods.named(start.peftType()).parse(json);
  }
}
