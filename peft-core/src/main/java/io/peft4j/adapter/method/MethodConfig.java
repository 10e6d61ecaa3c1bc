package io.peft4j.adapter.method;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.adapter.target.ModuleSelector;
import io.peft4j.adapter.target.NamePatterns;
import io.peft4j.adapter.target.Targets;
import io.peft4j.io.JsonFiles;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;

/**
 * The config of a method other than LoRA: its {@code adapter_config.json}, in peft's vocabulary,
 * where keys that are missing have peft's defaults and keys that are not known here are kept.
 * Immutable.
 *
 * <pre>{@code
 * MethodConfig.of("IA3").with("target_modules", List.of("key", "value")).with("task_type", "SEQ_CLS")
 * }</pre>
 */
public final class MethodConfig implements AdapterConfig {

  private static final ObjectMapper JSON = JsonFiles.MAPPER;

  private final DocumentMethod method;
  private final ObjectNode json;

  MethodConfig(DocumentMethod method, ObjectNode given) {
    this.method = method;
    this.json = method.newDocument();
    given.properties().forEach(entry -> json.set(entry.getKey(), entry.getValue().deepCopy()));
  }

  /**
   * {@return the config of a method with peft's defaults}
   *
   * @param peftType such as {@code IA3}
   * @throws IllegalArgumentException if there is no such method, or it has a config class of its
   *     own
   */
  public static MethodConfig of(String peftType) {
    if (AdapterMethods.named(peftType) instanceof DocumentMethod method) {
      return method.defaults();
    }
    throw new IllegalArgumentException(peftType + " has a config class of its own");
  }

  /**
   * {@return this config with another value}
   *
   * @param value a text, a number, a boolean, a list or map of such, or null
   * @throws IllegalArgumentException if the method has no such key; the message names some that
   *     come near
   */
  public MethodConfig with(String key, Object value) {
    ObjectNode one = JSON.createObjectNode().putNull(key);
    if (!method.knows(key) && !method.unknownKeys(new MethodConfig(method, one)).isEmpty()) {
      throw new IllegalArgumentException(method.unknownKeys(new MethodConfig(method, one)).get(0));
    }
    return new MethodConfig(method, toJson().set(key, JSON.valueToTree(value)));
  }

  /** {@return whether the method has a meaning for {@code key}} */
  public boolean knows(String key) {
    return method.newDocument().has(key);
  }

  @Override
  public String peftType() {
    return method.peftType();
  }

  @Override
  public ObjectNode toJson() {
    return json.deepCopy();
  }

  @Override
  public MethodConfig withBaseModel(String nameOrPath) {
    return with("base_model_name_or_path", nameOrPath);
  }

  DocumentMethod method() {
    return method;
  }

  /** {@return the value, or null for null or none} */
  public JsonNode get(String key) {
    JsonNode node = json.get(key);
    return node == null || node.isNull() ? null : node;
  }

  private JsonNode required(String key, String expected) {
    JsonNode node = get(key);
    if (node == null) {
      throw new IllegalArgumentException("'" + key + "' must be " + expected + ", found none");
    }
    return node;
  }

  public int integer(String key) {
    return ConfigReader.integerOf(key, required(key, "an integer"));
  }

  public double number(String key) {
    return ConfigReader.numberOf(key, required(key, "a number"));
  }

  public boolean flag(String key) {
    JsonNode node = get(key);
    if (node != null && !node.isBoolean()) {
      throw ConfigReader.wrong(key, "true or false", node);
    }
    return node != null && node.asBoolean();
  }

  /** {@return the text, or null} */
  public String text(String key) {
    JsonNode node = get(key);
    if (node != null && !node.isTextual()) {
      throw ConfigReader.wrong(key, "a text", node);
    }
    return node == null ? null : node.asText();
  }

  public ModuleSelector selector(String key) {
    return ModuleSelector.ofJson(key, get(key));
  }

  /**
   * {@return of {@code rank_pattern} and {@code alpha_pattern} those that hold numbers, by key}
   * AdaLoRA has ranks of single modules in another form.
   */
  Map<String, Map<String, Double>> patterns() {
    Map<String, Map<String, Double>> patterns = new LinkedHashMap<>();
    if (method.patterned()) {
      for (String key : List.of("rank_pattern", "alpha_pattern")) {
        patterns.put(key, numbers(key));
      }
    }
    return patterns;
  }

  @Override
  public MethodConfig inAnyOrder(Collection<String> modules, UnaryOperator<String> onDisk) {
    MethodConfig config = this;
    for (Map.Entry<String, Map<String, Double>> entry : patterns().entrySet()) {
      Map<String, Double> told = NamePatterns.inAnyOrder(entry.getValue(), modules, onDisk);
      if (told != entry.getValue()) {
        ObjectNode numbers = JSON.createObjectNode();
        told.forEach((name, value) -> ConfigReader.number(numbers, name, value));
        config = config.with(entry.getKey(), numbers);
      }
    }
    return config;
  }

  /** {@return numbers by name, in the order of the file} */
  public Map<String, Double> numbers(String key) {
    Map<String, Double> values = new LinkedHashMap<>();
    JsonNode node = get(key);
    if (node != null) {
      node.properties()
          .forEach(e -> values.put(e.getKey(), ConfigReader.numberOf(key, e.getValue())));
    }
    return values;
  }

  /** {@return the texts of a list; empty for null} */
  public List<String> texts(String key) {
    List<String> texts = new ConfigReader(toJson()).texts(key);
    return texts == null ? List.of() : texts;
  }

  /** {@return the numbers of a list} */
  public List<Double> list(String key) {
    List<Double> numbers = new ArrayList<>();
    required(key, "a list of numbers")
        .forEach(element -> numbers.add(ConfigReader.numberOf(key, element)));
    return numbers;
  }

  /** {@return the number, at least {@code least}} */
  public int atLeast(String key, int least) {
    int value = integer(key);
    if (value < least) {
      throw new IllegalArgumentException(
          "'" + key + "' must be at least " + least + ", found " + value);
    }
    return value;
  }

  /** {@return the number, in [0, 1)} */
  public double probability(String key) {
    double value = number(key);
    if (!(value >= 0 && value < 1)) {
      throw new IllegalArgumentException("'" + key + "' must be in [0, 1), found " + value);
    }
    return value;
  }

  @Override
  public Targets targets() {
    ConfigReader reader = new ConfigReader(toJson());
    return Targets.builder()
        .targetModules(selector("target_modules"))
        .excludeModules(selector("exclude_modules"))
        .modulesToSave(reader.texts("modules_to_save"))
        .layersToTransform(reader.integers("layers_to_transform"))
        .layersPattern(reader.texts("layers_pattern"))
        .taskType(text("task_type"))
        .build();
  }

  @Override
  public MethodConfig withModulesToSave(List<String> modules) {
    return with("modules_to_save", modules);
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof MethodConfig config && json.equals(config.json);
  }

  @Override
  public int hashCode() {
    return json.hashCode();
  }

  @Override
  public String toString() {
    return json.toString();
  }
}
