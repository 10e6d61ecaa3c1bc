package io.peft4j.server;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;

/**
 * A request's keys, each read once: of the right type and within its limits, or refused by name.
 * Null is as good as absent, since clients send it so. What nobody reads is refused at the end.
 */
final class Fields {

  private final ObjectNode json;
  private final Set<String> read = new HashSet<>();

  Fields(ObjectNode json) {
    this.json = json;
  }

  /** {@return a value as it is; null if there is none} */
  JsonNode get(String key) {
    read.add(key);
    JsonNode node = json.get(key);
    return node == null || node.isNull() ? null : node;
  }

  boolean has(String key) {
    return json.hasNonNull(key);
  }

  /** {@return a value that has to be there} */
  JsonNode require(String key) {
    JsonNode node = get(key);
    if (node == null) {
      throw ApiException.bad(key, "'" + key + "' is missing");
    }
    return node;
  }

  String text(String key, String otherwise) {
    JsonNode node = get(key);
    if (node == null) {
      return otherwise;
    }
    if (!node.isTextual()) {
      throw wrong(key, "a string", node);
    }
    return node.textValue();
  }

  String requireText(String key) {
    require(key);
    return text(key, null);
  }

  boolean flag(String key) {
    JsonNode node = get(key);
    if (node != null && !node.isBoolean()) {
      throw wrong(key, "true or false", node);
    }
    return node != null && node.booleanValue();
  }

  /** {@return a whole number within the limits; null if there is none} */
  Integer integer(String key, int least, int most) {
    Long value = whole(key, least, most);
    return value == null ? null : value.intValue();
  }

  /** As {@link #integer}, of 64 bits. */
  Long whole(String key, long least, long most) {
    JsonNode node = get(key);
    if (node == null) {
      return null;
    }
    if (!node.isIntegralNumber() || !node.canConvertToLong()) {
      throw wrong(key, "a whole number", node);
    }
    if (node.longValue() < least || node.longValue() > most) {
      throw wrong(key, "a whole number from " + least + " to " + most, node);
    }
    return node.longValue();
  }

  /** {@return a number within the limits; null if there is none} */
  Double number(String key, double least, double most) {
    JsonNode node = get(key);
    if (node == null) {
      return null;
    }
    double value = node.doubleValue();
    if (!node.isNumber() || !(value >= least && value <= most)) {
      throw wrong(key, String.format(Locale.ROOT, "a number from %s to %s", least, most), node);
    }
    return value;
  }

  /** {@return a string, or a list of at most so many, none empty; empty if there is none} */
  List<String> texts(String key, int most) {
    JsonNode node = get(key);
    List<String> all = new ArrayList<>();
    if (node == null) {
      return all;
    }
    for (JsonNode each : node.isArray() ? node : JsonNodeFactory.instance.arrayNode().add(node)) {
      if (!each.isTextual() || each.textValue().isEmpty()) {
        throw wrong(key, "a string or a list of strings, none empty", each);
      }
      all.add(each.textValue());
    }
    if (all.size() > most) {
      throw wrong(key, "at most " + most + " strings", node);
    }
    return all;
  }

  /** {@return an object's keys; null if there is none} */
  Fields object(String key) {
    JsonNode node = get(key);
    if (node == null) {
      return null;
    }
    if (!(node instanceof ObjectNode object)) {
      throw wrong(key, "an object", node);
    }
    return new Fields(object);
  }

  /**
   * Refuses a key that would change the result and is not supported, unless it asks for what is
   * done anyway.
   *
   * @param harmless values that do, as JSON
   */
  void only(String key, String... harmless) {
    JsonNode node = get(key);
    if (node == null || List.of(harmless).contains(node.toString())) {
      return;
    }
    if (node.isNumber() && List.of(harmless).contains("0") && node.doubleValue() == 0) {
      return;
    }
    String but = harmless.length == 0 ? "" : " but as " + String.join(" or ", harmless);
    throw ApiException.bad(key, "'" + key + "' is not supported" + but + ", found " + brief(node));
  }

  /** Names keys that change nothing of the result. */
  void without(String... keys) {
    read.addAll(List.of(keys));
  }

  /** Refuses what has not been read. */
  void end() {
    json.properties()
        .forEach(
            entry -> {
              if (!entry.getValue().isNull() && !read.contains(entry.getKey())) {
                throw ApiException.bad(
                    entry.getKey(), "'" + entry.getKey() + "' is not supported here");
              }
            });
  }

  static ApiException wrong(String key, String expected, JsonNode found) {
    return ApiException.bad(key, "'" + key + "': expected " + expected + ", found " + brief(found));
  }

  private static String brief(JsonNode node) {
    String text = node.toString();
    return text.length() <= 80 ? text : text.substring(0, 77) + "...";
  }
}
