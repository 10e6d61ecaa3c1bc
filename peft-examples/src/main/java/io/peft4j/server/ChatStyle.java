package io.peft4j.server;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import java.util.List;

/**
 * Choices of {@code /v1/chat/completions}.
 *
 * @param scored whether log-probabilities are told
 */
record ChatStyle(boolean scored) implements Style {

  @Override
  public String prefix() {
    return "chatcmpl-";
  }

  @Override
  public String object(boolean streamed) {
    return streamed ? "chat.completion.chunk" : "chat.completion";
  }

  @Override
  public ObjectNode opening(int sequence) {
    ObjectNode choice = JsonNodeFactory.instance.objectNode().put("index", sequence);
    choice.putObject("delta").put("role", "assistant").put("content", "");
    return choice.putNull("logprobs");
  }

  @Override
  public ObjectNode whole(int sequence, String text, List<TextGeneration.Scored> tokens) {
    ObjectNode choice = JsonNodeFactory.instance.objectNode().put("index", sequence);
    choice.putObject("message").put("role", "assistant").put("content", text).putNull("refusal");
    return logprobs(choice, tokens);
  }

  @Override
  public ObjectNode piece(TextGeneration.Piece piece) {
    ObjectNode choice = JsonNodeFactory.instance.objectNode().put("index", piece.sequence());
    ObjectNode delta = choice.putObject("delta");
    if (!piece.text().isEmpty()) {
      delta.put("content", piece.text());
    }
    return logprobs(choice, piece.tokens());
  }

  private ObjectNode logprobs(ObjectNode choice, List<TextGeneration.Scored> tokens) {
    if (!scored) {
      return choice.putNull("logprobs");
    }
    ArrayNode content = choice.putObject("logprobs").putArray("content");
    for (TextGeneration.Scored token : tokens) {
      ArrayNode top = fill(content.addObject(), token).putArray("top_logprobs");
      token.top().forEach(other -> fill(top.addObject(), other));
    }
    return choice;
  }

  private static ObjectNode fill(ObjectNode json, TextGeneration.Scored token) {
    json.put("token", token.text()).put("logprob", token.logprob());
    if (token.text().indexOf('\uFFFD') >= 0) {
      return json.putNull("bytes"); // a part of a character
    }
    ArrayNode bytes = json.putArray("bytes");
    for (byte each : token.text().getBytes(StandardCharsets.UTF_8)) {
      bytes.add(each & 0xff);
    }
    return json;
  }
}
