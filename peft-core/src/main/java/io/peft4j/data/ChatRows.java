package io.peft4j.data;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.io.JsonErrors;
import io.peft4j.io.JsonFiles;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Conversations in rows: TRL's {@code messages}, {@code prompt} and {@code completion} of messages,
 * and ShareGPT's {@code conversations} of {@code from} and {@code value}. Messages may carry {@code
 * weight} (OpenAI) or {@code train} (axolotl), which say whether a turn is learnt.
 */
final class ChatRows {

  private static final ObjectMapper JSON = JsonFiles.MAPPER;
  private static final TypeReference<LinkedHashMap<String, Object>> MAP = new TypeReference<>() {};

  /** Who speaks in ShareGPT's rows, as chat templates call them. */
  private static final Map<String, String> SPEAKERS =
      Map.ofEntries(
          Map.entry("human", "user"),
          Map.entry("user", "user"),
          Map.entry("gpt", "assistant"),
          Map.entry("chatgpt", "assistant"),
          Map.entry("assistant", "assistant"),
          Map.entry("model", "assistant"),
          Map.entry("function_call", "assistant"),
          Map.entry("system", "system"),
          Map.entry("tool", "tool"),
          Map.entry("function", "tool"),
          Map.entry("observation", "tool"));

  private static final Set<String> LEARNT = Set.of("weight", "train");

  private final Path file;

  ChatRows(Path file) {
    this.file = file;
  }

  /**
   * @param key which of the row's keys holds the messages
   */
  CausalExample.Chat chat(JsonNode row, String key, int line) {
    CausalExample.Chat chat = conversation(row, key, line);
    if (chat.messages().stream().noneMatch(message -> message.get("role").equals("assistant"))) {
      throw new DataException(file, line, "'" + key + "' has no message of the role assistant");
    }
    if (!chat.learnt().contains(true)) {
      throw new DataException(
          file, line, "'" + key + "': 'weight' and 'train' leave no turn to learn");
    }
    return chat;
  }

  /** As {@link #chat}, whether or not there is something to learn yet. */
  CausalExample.Chat conversation(JsonNode row, String key, int line) {
    ArrayNode list = list(row, key, line);
    List<Map<String, Object>> messages = new ArrayList<>();
    List<Boolean> learnt = new ArrayList<>();
    JsonNode system = row.path("system");
    if (system.isTextual() && !system.textValue().isEmpty()) {
      if (list.get(0).path("role").asText(list.get(0).path("from").asText()).equals("system")) {
        throw new DataException(
            file, line, "'system' and a message of the role system: expected one of them");
      }
      messages.add(Map.of("role", "system", "content", system.textValue()));
      learnt.add(false);
    } else if (!system.isMissingNode() && !system.isNull() && !system.isTextual()) {
      throw new DataException(file, line, "'system' should be a string, found " + kind(system));
    }
    for (int i = 0; i < list.size(); i++) {
      ObjectNode message = message(list.get(i), key + "[" + i + "]", line);
      learnt.add(learnt(message, key + "[" + i + "]", line));
      messages.add(JSON.convertValue(message.without(LEARNT), MAP));
    }
    return new CausalExample.Chat(messages, learnt, variables(row, line), line);
  }

  CausalExample completion(JsonNode row, int line) {
    List<List<Map<String, Object>>> parts = new ArrayList<>();
    for (String key : List.of("prompt", "completion")) {
      ArrayNode list = list(row, key, line);
      List<Map<String, Object>> messages = new ArrayList<>();
      for (int i = 0; i < list.size(); i++) {
        String at = key + "[" + i + "]";
        ObjectNode message = message(list.get(i), at, line);
        for (String flag : LEARNT) {
          if (message.has(flag)) {
            throw new DataException(
                file, line, "'" + at + "." + flag + "': a completion is learnt as a whole");
          }
        }
        messages.add(JSON.convertValue(message, MAP));
      }
      parts.add(messages);
    }
    return new CausalExample.ChatCompletion(parts.get(0), parts.get(1), variables(row, line), line);
  }

  private ArrayNode list(JsonNode row, String key, int line) {
    JsonNode list = parsed(row.path(key), key, line);
    if (!list.isArray() || list.isEmpty()) {
      throw new DataException(
          file, line, "'" + key + "' should be a list of messages, found " + kind(list));
    }
    return list.deepCopy();
  }

  /** JSON that was written as text, as data sets do whose columns must be of one type. */
  private JsonNode parsed(JsonNode node, String key, int line) {
    if (!node.isTextual() || !node.textValue().strip().startsWith("[")) {
      return node;
    }
    try {
      return JSON.readTree(node.textValue());
    } catch (JsonProcessingException e) {
      throw new DataException(
          file, line, "'" + key + "': malformed JSON: " + JsonErrors.sentence(e));
    }
  }

  private ObjectNode message(JsonNode node, String at, int line) {
    if (!(node instanceof ObjectNode message)) {
      throw new DataException(file, line, "'" + at + "' should be an object, found " + kind(node));
    }
    if (!message.has("role") && message.has("from")) {
      message = fromShareGpt(message, at, line);
    }
    if (!message.path("role").isTextual()) {
      throw new DataException(
          file, line, "'" + at + ".role' should be a string, found " + kind(message.path("role")));
    }
    if (!message.has("content") && !message.has("tool_calls")) {
      throw new DataException(file, line, "'" + at + "' has no 'content'");
    }
    JsonNode content = message.path("content");
    if (content.isArray()) {
      for (JsonNode part : content) {
        if (!part.path("type").asText().equals("text") || !part.path("text").isTextual()) {
          throw new DataException(
              file,
              line,
              "'"
                  + at
                  + ".content': expected text or a list of {\"type\": \"text\", \"text\"}, found a"
                  + " part of the type "
                  + part.path("type").asText("none"));
        }
      }
    }
    return message;
  }

  private ObjectNode fromShareGpt(ObjectNode message, String at, int line) {
    String from = message.path("from").asText();
    String role = SPEAKERS.get(from);
    if (role == null) {
      throw new DataException(
          file,
          line,
          "'"
              + at
              + ".from': expected one of "
              + SPEAKERS.keySet().stream().sorted().toList()
              + ", found "
              + message.get("from"));
    }
    if (!message.path("value").isTextual()) {
      throw new DataException(
          file,
          line,
          "'" + at + ".value' should be a string, found " + kind(message.path("value")));
    }
    ObjectNode made = JSON.createObjectNode().put("role", role);
    if (from.equals("function_call")) {
      made.put("content", "");
      calls(message.get("value").textValue(), made.putArray("tool_calls"), at, line);
    } else {
      made.set("content", message.get("value"));
    }
    return made.setAll((ObjectNode) message.deepCopy().without(List.of("from", "value")));
  }

  /** {@code {"name", "arguments"}} as text, or a list of them. */
  private void calls(String value, ArrayNode calls, String at, int line) {
    JsonNode read;
    try {
      read = JSON.readTree(value);
    } catch (JsonProcessingException e) {
      throw new DataException(
          file, line, "'" + at + ".value': malformed JSON: " + JsonErrors.sentence(e));
    }
    for (JsonNode call : read.isArray() ? read : JSON.createArrayNode().add(read)) {
      if (!call.path("name").isTextual() || !call.has("arguments")) {
        throw new DataException(
            file, line, "'" + at + ".value' should be a call with 'name' and 'arguments'");
      }
      calls.addObject().put("type", "function").set("function", call);
    }
  }

  private boolean learnt(ObjectNode message, String at, int line) {
    boolean assistant = message.get("role").asText().equals("assistant");
    boolean learnt = assistant;
    for (String flag : LEARNT) {
      JsonNode node = message.path(flag);
      if (node.isMissingNode() || node.isNull()) {
        continue;
      }
      boolean number = node.isNumber() && (node.doubleValue() == 0 || node.doubleValue() == 1);
      if (!node.isBoolean() && !number) {
        throw new DataException(
            file, line, "'" + at + "." + flag + "' should be 0 or 1, found " + node);
      }
      boolean wanted = node.isBoolean() ? node.booleanValue() : node.doubleValue() == 1;
      if (wanted && !assistant) {
        throw new DataException(
            file,
            line,
            "'"
                + at
                + "."
                + flag
                + "': only turns of the assistant are learnt, found a turn of "
                + message.get("role"));
      }
      learnt &= wanted;
    }
    return learnt;
  }

  private Map<String, Object> variables(JsonNode row, int line) {
    Map<String, Object> variables = new HashMap<>();
    JsonNode tools = row.path("tools");
    if (tools.isTextual() && tools.textValue().isBlank()) {
      tools = JSON.nullNode();
    }
    tools = parsed(tools, "tools", line);
    if (!tools.isMissingNode() && !tools.isNull()) {
      boolean objects = tools.isArray();
      for (JsonNode tool : tools) {
        objects &= tool.isObject();
      }
      if (!objects) {
        throw new DataException(
            file,
            line,
            "'tools' should be a list of objects, or that as text, found " + kind(tools));
      }
      variables.put("tools", JSON.convertValue(tools, Object.class));
    }
    JsonNode more = row.path("chat_template_kwargs");
    if (more.isObject()) {
      variables.putAll(JSON.convertValue(more, MAP));
    } else if (!more.isMissingNode() && !more.isNull()) {
      throw new DataException(
          file, line, "'chat_template_kwargs' should be an object, found " + kind(more));
    }
    return variables;
  }

  private static String kind(JsonNode node) {
    return JsonLinesReader.kind(node);
  }
}
