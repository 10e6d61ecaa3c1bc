package io.peft4j.langchain4j;

import dev.langchain4j.model.chat.ChatModel;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.request.ChatRequestParameters;
import dev.langchain4j.model.chat.response.ChatResponse;
import io.peft4j.server.ServedModel;

/**
 * A served model, with an adapter, as LangChain4j's chat model. Thread-safe: requests of many
 * threads and adapters run together. A request's {@code modelName} names another adapter.
 */
public final class PeftChatModel implements ChatModel {

  private final Answering answering;
  private final ChatRequestParameters defaults;

  /**
   * @param served stays the caller's
   * @param defaults what requests do not say themselves; {@code modelName} is the adapter
   */
  public PeftChatModel(ServedModel served, ChatRequestParameters defaults) {
    this.answering = new Answering(served);
    this.defaults = defaults;
  }

  /**
   * @param adapter its name; null for the base
   */
  public PeftChatModel(ServedModel served, String adapter) {
    this(served, ChatRequestParameters.builder().modelName(adapter).build());
  }

  @Override
  public ChatRequestParameters defaultRequestParameters() {
    return defaults;
  }

  @Override
  public ChatResponse doChat(ChatRequest request) {
    return answering.answer(request, text -> {}, () -> false);
  }
}
