package io.peft4j.langchain4j;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.langchain4j.agent.tool.ToolExecutionRequest;
import dev.langchain4j.agent.tool.ToolSpecification;
import dev.langchain4j.data.message.AiMessage;
import dev.langchain4j.data.message.ChatMessage;
import dev.langchain4j.data.message.SystemMessage;
import dev.langchain4j.data.message.TextContent;
import dev.langchain4j.data.message.ToolExecutionResultMessage;
import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.exception.UnsupportedFeatureException;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.request.ResponseFormatType;
import dev.langchain4j.model.chat.request.ToolChoice;
import io.peft4j.io.JsonFiles;
import java.util.stream.Collectors;

/** LangChain4j's requests in the words of OpenAI's API, which are then read as those of callers. */
final class ChatJson {

  private ChatJson() {}

  static ObjectNode of(ChatRequest request) {
    ObjectNode json = JsonFiles.MAPPER.createObjectNode();
    json.put("model", request.modelName());
    json.put("temperature", request.temperature());
    json.put("top_p", request.topP());
    json.put("top_k", request.topK());
    json.put("frequency_penalty", request.frequencyPenalty());
    json.put("presence_penalty", request.presencePenalty());
    json.put("max_tokens", request.maxOutputTokens());
    json.set("stop", JsonFiles.MAPPER.valueToTree(request.stopSequences()));
    ArrayNode messages = json.putArray("messages");
    request.messages().forEach(message -> fill(messages.addObject(), message));
    if (request.toolSpecifications() != null && !request.toolSpecifications().isEmpty()) {
      ArrayNode tools = json.putArray("tools");
      request.toolSpecifications().forEach(tool -> fill(tools.addObject(), tool));
    }
    refuse(request);
    return json;
  }

  private static void refuse(ChatRequest request) {
    if (request.toolChoice() != null && request.toolChoice() != ToolChoice.AUTO) {
      throw new UnsupportedFeatureException("a tool cannot be demanded: " + request.toolChoice());
    }
    if (request.responseFormat() != null
        && request.responseFormat().type() != ResponseFormatType.TEXT) {
      throw new UnsupportedFeatureException("answers are text, not held to JSON");
    }
  }

  private static void fill(ObjectNode json, ChatMessage message) {
    if (message instanceof SystemMessage system) {
      json.put("role", "system").put("content", system.text());
    } else if (message instanceof UserMessage user) {
      json.put("role", "user").put("content", text(user));
    } else if (message instanceof AiMessage answer) {
      json.put("role", "assistant").put("content", answer.text() == null ? "" : answer.text());
      if (answer.hasToolExecutionRequests()) {
        ArrayNode calls = json.putArray("tool_calls");
        answer.toolExecutionRequests().forEach(call -> fill(calls.addObject(), call));
      }
    } else if (message instanceof ToolExecutionResultMessage result) {
      json.put("role", "tool").put("content", result.text());
      json.put("tool_call_id", result.id()).put("name", result.toolName());
    } else {
      throw new UnsupportedFeatureException("messages of the type " + message.type());
    }
  }

  private static String text(UserMessage message) {
    return message.contents().stream()
        .map(
            content -> {
              if (content instanceof TextContent text) {
                return text.text();
              }
              throw new UnsupportedFeatureException("content of the type " + content.type());
            })
        .collect(Collectors.joining("\n"));
  }

  private static void fill(ObjectNode json, ToolExecutionRequest call) {
    json.put("id", call.id()).put("type", "function");
    json.putObject("function").put("name", call.name()).put("arguments", call.arguments());
  }

  private static void fill(ObjectNode json, ToolSpecification tool) {
    try {
      json.put("type", "function").set("function", JsonFiles.MAPPER.readTree(tool.toJson()));
    } catch (JsonProcessingException e) {
      throw new IllegalStateException("a tool's own JSON", e);
    }
  }
}
