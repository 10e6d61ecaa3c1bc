package io.peft4j.adapter.method;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.adapter.target.ModuleSelector;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Takes typed values out of a document; what nobody took is the rest. */
public final class ConfigReader {
  private final ObjectNode json;

  public ConfigReader(ObjectNode json) {
    this.json = json;
  }

  public JsonNode take(String key) {
    JsonNode node = json.remove(key);
    return node == null || node.isNull() ? null : node;
  }

  public ObjectNode rest() {
    return json;
  }

  public int integer(String key, int otherwise) {
    JsonNode node = take(key);
    return node == null ? otherwise : integerOf(key, node);
  }

  static int integerOf(String key, JsonNode node) {
    if (!node.isIntegralNumber() || !node.canConvertToInt()) {
      throw wrong(key, "an integer", node);
    }
    return node.asInt();
  }

  public double number(String key, double otherwise) {
    JsonNode node = take(key);
    return node == null ? otherwise : numberOf(key, node);
  }

  static double numberOf(String key, JsonNode node) {
    if (!node.isNumber()) {
      throw wrong(key, "a number", node);
    }
    return node.asDouble();
  }

  public String text(String key, String otherwise) {
    JsonNode node = take(key);
    if (node != null && !node.isTextual()) {
      throw wrong(key, "a text", node);
    }
    return node == null ? otherwise : node.asText();
  }

  public boolean flag(String key) {
    JsonNode node = take(key);
    if (node != null && !node.isBoolean()) {
      throw wrong(key, "true or false", node);
    }
    return node != null && node.asBoolean();
  }

  public List<String> texts(String key) {
    JsonNode node = take(key);
    if (node == null) {
      return null;
    }
    if (node.isTextual()) {
      // To peft an empty text is as good as none.
      return node.asText().isEmpty() ? List.of() : List.of(node.asText());
    }
    return ModuleSelector.texts(key, node);
  }

  public List<Integer> integers(String key) {
    JsonNode node = take(key);
    if (node == null) {
      return null;
    }
    List<Integer> values = new ArrayList<>();
    if (node.isArray()) {
      node.forEach(element -> values.add(integerOf(key, element)));
    } else {
      values.add(integerOf(key, node));
    }
    return values;
  }

  public Map<String, Integer> ranks(String key) {
    Map<String, Integer> values = new LinkedHashMap<>();
    numbers(key)
        .forEach(
            (name, value) -> {
              if (value != Math.rint(value)) {
                throw new IllegalArgumentException(
                    "'" + key + "': '" + name + "' must be an integer, found " + value);
              }
              values.put(name, value.intValue());
            });
    return values;
  }

  public Map<String, Double> numbers(String key) {
    JsonNode node = take(key);
    Map<String, Double> values = new LinkedHashMap<>();
    if (node == null) {
      return values;
    }
    if (!node.isObject()) {
      throw wrong(key, "an object", node);
    }
    node.properties().forEach(entry -> values.put(entry.getKey(), numberOf(key, entry.getValue())));
    return values;
  }

  /** Python's peft has alpha as an int; a whole number stays one. */
  public static void number(ObjectNode json, String key, double value) {
    if (value == Math.rint(value) && Math.abs(value) < 1e9) {
      json.put(key, (long) value);
    } else {
      json.put(key, value);
    }
  }

  public static IllegalArgumentException wrong(String key, String expected, JsonNode found) {
    return new IllegalArgumentException("'" + key + "' must be " + expected + ", found " + found);
  }
}
