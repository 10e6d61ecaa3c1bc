package io.peft4j.server;

import java.io.IOException;

/** {@code POST /v1/chat/completions}. */
final class ChatEndpoint implements Endpoint {

  private final ServedModel served;
  private final ServerConfig config;
  private final Answers answers;

  ChatEndpoint(ServedModel served, ServerConfig config, Answers answers) {
    this.served = served;
    this.config = config;
    this.answers = answers;
  }

  @Override
  public void answer(Call call, Fields fields) throws IOException, InterruptedException {
    Choice choice = Choice.of(call, fields, served);
    ChatQuery query = ChatQuery.read(fields, choice, served, config);
    Style style = new ChatStyle(query.request().logprobs() != null);
    answers.answer(
        call,
        query.request(),
        new Answers.Manner(query.model(), style, query.streamed(), query.usage()));
  }
}
