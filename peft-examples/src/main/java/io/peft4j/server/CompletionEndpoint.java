package io.peft4j.server;

import com.fasterxml.jackson.databind.JsonNode;
import io.peft4j.generate.GenerationConfig;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/** {@code POST /v1/completions}. */
final class CompletionEndpoint implements Endpoint {

  /** What OpenAI adds to a prompt where nothing says how much. */
  private static final int DEFAULT_TOKENS = 16;

  private static final int MOST_TOP = 20;

  private final ServedModel served;
  private final ServerConfig config;
  private final Answers answers;

  CompletionEndpoint(ServedModel served, ServerConfig config, Answers answers) {
    this.served = served;
    this.config = config;
    this.answers = answers;
  }

  @Override
  public void answer(Call call, Fields fields) throws IOException, InterruptedException {
    Choice choice = Choice.of(call, fields, served);
    List<String> texts = new ArrayList<>();
    List<int[]> prompts = prompts(fields, choice.adapter(), texts);
    GenerationConfig sampling = Sampling.config(fields, served.defaults());
    int n = Requests.sequences(fields, prompts.size(), config);
    Integer top = fields.integer("logprobs", 0, MOST_TOP);
    boolean echo = fields.flag("echo");
    if (echo && top != null) {
      throw ApiException.bad(
          "echo", "'echo' with 'logprobs' is not supported: prompts are not scored");
    }
    int tokens =
        Sampling.tokens(
            "max_tokens",
            fields.integer("max_tokens", 1, Integer.MAX_VALUE),
            DEFAULT_TOKENS,
            prompts,
            served,
            config.maxTokens());
    boolean streamed = fields.flag("stream");
    boolean usage = Requests.usage(fields, streamed);
    fields.only("suffix", "\"\"");
    fields.only("best_of", "1", Integer.toString(n));
    Requests.withoutEffect(fields);
    fields.end();
    TextRequest request =
        new TextRequest(
            choice.adapter(),
            prompts,
            n,
            sampling.withMaxNewTokens(tokens),
            top,
            config.requestTime());
    Style style =
        new CompletionStyle(top != null, echo ? repeated(texts, n) : List.of(), prompts.size() * n);
    answers.answer(call, request, new Answers.Manner(choice.model(), style, streamed, usage));
  }

  private static List<String> repeated(List<String> texts, int n) {
    List<String> all = new ArrayList<>();
    for (String text : texts) {
      for (int i = 0; i < n; i++) {
        all.add(text);
      }
    }
    return all;
  }

  /** A text, token numbers, or a list of either. */
  private List<int[]> prompts(Fields fields, String adapter, List<String> texts) {
    JsonNode prompt = fields.require("prompt");
    List<int[]> prompts = new ArrayList<>();
    boolean one = prompt.isTextual() || (prompt.isArray() && prompt.path(0).isNumber());
    if (one) {
      prompts.add(prompt(prompt, adapter, texts));
      return prompts;
    }
    if (!prompt.isArray() || prompt.isEmpty()) {
      throw Fields.wrong("prompt", "a string, token numbers, or a list of such", prompt);
    }
    Requests.checkCount("prompt", prompt.size(), config);
    prompt.forEach(each -> prompts.add(prompt(each, adapter, texts)));
    return prompts;
  }

  private int[] prompt(JsonNode node, String adapter, List<String> texts) {
    if (node.isTextual()) {
      texts.add(node.textValue());
      return Requests.encoded("prompt", () -> served.encode(adapter, node.textValue()));
    }
    int[] tokens = Requests.tokens("prompt", node, served.vocabularySize());
    texts.add(served.writer(adapter).decode(tokens));
    return tokens;
  }
}
