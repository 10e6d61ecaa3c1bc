package io.peft4j.server;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.data.CausalExample;
import io.peft4j.generate.GenerationConfig;
import java.util.List;

/**
 * What a request of OpenAI's chat API asks for.
 *
 * @param model what the answer calls the model: the adapter's name, or the base's
 * @param request what is to be generated
 * @param streamed whether the answer is a stream
 * @param usage whether a stream ends with how many tokens there were
 */
public record ChatQuery(String model, TextRequest request, boolean streamed, boolean usage) {

  private static final int MOST_TOP = 20;

  /**
   * Reads a request's JSON.
   *
   * @throws ApiException if a key is not what it should be, or is not supported and would change
   *     the result; the message names it
   */
  public static ChatQuery read(ObjectNode json, ServedModel served, ServerConfig config) {
    Fields fields = new Fields(json);
    return read(fields, Choice.of((String) null, fields, served), served, config);
  }

  static ChatQuery read(Fields fields, Choice choice, ServedModel served, ServerConfig config) {
    List<int[]> prompts = List.of(prompt(fields, choice.adapter(), served));
    GenerationConfig sampling = Sampling.config(fields, served.defaults());
    int n = Requests.sequences(fields, 1, config);
    boolean scored = fields.flag("logprobs");
    Integer top = fields.integer("top_logprobs", 0, MOST_TOP);
    if (top != null && !scored) {
      throw ApiException.bad("top_logprobs", "'top_logprobs' needs 'logprobs': true");
    }
    int tokens = tokens(fields, prompts, served, config);
    boolean streamed = fields.flag("stream");
    boolean usage = Requests.usage(fields, streamed);
    refuse(fields);
    Requests.withoutEffect(fields);
    fields.end();
    TextRequest request =
        new TextRequest(
            choice.adapter(),
            prompts,
            n,
            sampling.withMaxNewTokens(tokens),
            scored ? Integer.valueOf(top == null ? 0 : top) : null,
            config.requestTime());
    return new ChatQuery(choice.model(), request, streamed, usage);
  }

  private static int[] prompt(Fields fields, String adapter, ServedModel served) {
    CausalExample.Chat chat = Requests.encoded("messages", () -> Conversation.read(fields));
    return Requests.encoded("messages", () -> served.encode(adapter, chat));
  }

  private static int tokens(
      Fields fields, List<int[]> prompts, ServedModel served, ServerConfig config) {
    Integer newer = fields.integer("max_completion_tokens", 1, Integer.MAX_VALUE);
    Integer older = fields.integer("max_tokens", 1, Integer.MAX_VALUE);
    return Sampling.tokens(
        newer == null ? "max_tokens" : "max_completion_tokens",
        newer == null ? older : newer,
        Integer.MAX_VALUE,
        prompts,
        served,
        config.maxTokens());
  }

  /** Keys that would change the answer, and are not supported. */
  private static void refuse(Fields fields) {
    fields.only("response_format", "{\"type\":\"text\"}");
    fields.only("reasoning_effort");
    fields.only("modalities", "[\"text\"]");
    fields.only("audio");
    fields.only("functions", "[]");
    fields.only("function_call", "\"none\"");
    fields.only("web_search_options");
    fields.only("verbosity");
  }
}
