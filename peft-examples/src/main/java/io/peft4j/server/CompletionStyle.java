package io.peft4j.server;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;

/** Choices of {@code /v1/completions}. One answer's: it counts characters. */
final class CompletionStyle implements Style {

  private final boolean scored;
  private final List<String> echoed;
  private final int[] offsets;

  /**
   * @param echoed for each sequence, the text it begins with; empty where prompts are not echoed
   * @param scored whether log-probabilities are told
   */
  CompletionStyle(boolean scored, List<String> echoed, int sequences) {
    this.scored = scored;
    this.echoed = echoed;
    this.offsets = new int[sequences];
    for (int i = 0; i < echoed.size(); i++) {
      offsets[i] = echoed.get(i).length();
    }
  }

  @Override
  public String prefix() {
    return "cmpl-";
  }

  @Override
  public String object(boolean streamed) {
    return "text_completion";
  }

  @Override
  public ObjectNode opening(int sequence) {
    return echoed.isEmpty() ? null : choice(sequence, echoed.get(sequence)).putNull("logprobs");
  }

  @Override
  public ObjectNode whole(int sequence, String text, List<TextGeneration.Scored> tokens) {
    String before = echoed.isEmpty() ? "" : echoed.get(sequence);
    return logprobs(choice(sequence, before + text), sequence, tokens);
  }

  @Override
  public ObjectNode piece(TextGeneration.Piece piece) {
    return logprobs(choice(piece.sequence(), piece.text()), piece.sequence(), piece.tokens());
  }

  private static ObjectNode choice(int sequence, String text) {
    return JsonNodeFactory.instance.objectNode().put("text", text).put("index", sequence);
  }

  private ObjectNode logprobs(ObjectNode choice, int sequence, List<TextGeneration.Scored> tokens) {
    if (!scored) {
      return choice.putNull("logprobs");
    }
    ObjectNode logprobs = choice.putObject("logprobs");
    ArrayNode texts = logprobs.putArray("tokens");
    ArrayNode values = logprobs.putArray("token_logprobs");
    ArrayNode top = logprobs.putArray("top_logprobs");
    ArrayNode places = logprobs.putArray("text_offset");
    for (TextGeneration.Scored token : tokens) {
      texts.add(token.text());
      values.add(token.logprob());
      places.add(offsets[sequence]);
      offsets[sequence] += token.text().length();
      ObjectNode likeliest = top.addObject();
      token.top().forEach(other -> likeliest.put(other.text(), other.logprob()));
      likeliest.put(token.text(), token.logprob()); // the chosen one is always among them
    }
    return choice;
  }
}
