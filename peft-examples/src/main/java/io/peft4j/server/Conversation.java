package io.peft4j.server;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.data.CausalExample;
import io.peft4j.io.JsonFiles;
import java.util.ArrayList;
import java.util.List;

/**
 * The conversation of a request, as chat templates take it: texts in one piece, and what functions
 * are called with as objects, where OpenAI's API has lists of parts and JSON as text.
 */
final class Conversation {

  private Conversation() {}

  static CausalExample.Chat read(Fields fields) {
    ObjectNode row = JsonFiles.MAPPER.createObjectNode();
    row.set("messages", messages(fields.require("messages")));
    fields.only("parallel_tool_calls", "true");
    fields.only("tool_choice", "\"auto\"", "\"none\"");
    boolean none = "none".equals(fields.text("tool_choice", null));
    JsonNode tools = fields.get("tools");
    if (tools != null && !(tools.isArray() && tools.isEmpty()) && !none) {
      row.set("tools", tools);
    }
    JsonNode more = fields.get("chat_template_kwargs");
    if (more != null) {
      row.set("chat_template_kwargs", more);
    }
    return CausalExample.Chat.of(row).orElseThrow();
  }

  private static ArrayNode messages(JsonNode given) {
    if (!given.isArray() || given.isEmpty()) {
      throw Fields.wrong("messages", "a list of messages that is not empty", given);
    }
    ArrayNode messages = given.deepCopy();
    for (JsonNode message : messages) {
      if (message instanceof ObjectNode object) {
        join(object);
        message.path("tool_calls").forEach(call -> parse(call.path("function")));
      }
    }
    return messages;
  }

  private static void join(ObjectNode message) {
    JsonNode content = message.path("content");
    if (!content.isArray()) {
      return;
    }
    List<String> parts = new ArrayList<>();
    for (JsonNode part : content) {
      if (!part.path("type").asText().equals("text") || !part.path("text").isTextual()) {
        throw Fields.wrong("messages", "content that is text", part);
      }
      parts.add(part.get("text").textValue());
    }
    message.put("content", String.join("\n", parts));
  }

  private static void parse(JsonNode function) {
    if (function instanceof ObjectNode object && function.path("arguments").isTextual()) {
      try {
        object.set("arguments", JsonFiles.MAPPER.readTree(object.get("arguments").textValue()));
      } catch (JsonProcessingException e) {
        throw Fields.wrong("messages", "arguments that are JSON", object.get("arguments"));
      }
    }
  }
}
