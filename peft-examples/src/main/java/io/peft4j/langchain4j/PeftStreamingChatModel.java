package io.peft4j.langchain4j;

import dev.langchain4j.model.chat.StreamingChatModel;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.request.ChatRequestParameters;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.chat.response.PartialResponse;
import dev.langchain4j.model.chat.response.PartialResponseContext;
import dev.langchain4j.model.chat.response.StreamingChatResponseHandler;
import dev.langchain4j.model.chat.response.StreamingHandle;
import io.peft4j.server.ServedModel;
import java.util.concurrent.CancellationException;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicBoolean;

/** As {@link PeftChatModel}, piece by piece. */
public final class PeftStreamingChatModel implements StreamingChatModel {

  private final Answering answering;
  private final ChatRequestParameters defaults;
  private final Executor executor;

  /**
   * @param served stays the caller's
   * @param defaults what requests do not say themselves; {@code modelName} is the adapter
   * @param executor runs handlers, a task for each stream as long as that lasts
   */
  public PeftStreamingChatModel(
      ServedModel served, ChatRequestParameters defaults, Executor executor) {
    this.answering = new Answering(served);
    this.defaults = defaults;
    this.executor = executor;
  }

  /**
   * A thread for each stream.
   *
   * @param adapter its name; null for the base
   */
  public PeftStreamingChatModel(ServedModel served, String adapter) {
    this(
        served,
        ChatRequestParameters.builder().modelName(adapter).build(),
        task -> {
          Thread thread = new Thread(task, "peft-stream");
          thread.setDaemon(true);
          thread.start();
        });
  }

  @Override
  public ChatRequestParameters defaultRequestParameters() {
    return defaults;
  }

  @Override
  public void doChat(ChatRequest request, StreamingChatResponseHandler handler) {
    executor.execute(() -> run(request, handler));
  }

  private void run(ChatRequest request, StreamingChatResponseHandler handler) {
    Handle handle = new Handle(new AtomicBoolean());
    PartialResponseContext context = new PartialResponseContext(handle);
    ChatResponse response;
    try {
      response =
          answering.answer(
              request,
              text -> handler.onPartialResponse(new PartialResponse(text), context),
              handle::isCancelled);
    } catch (CancellationException e) {
      return; // by the handler itself, which expects nothing more
    } catch (RuntimeException e) {
      handler.onError(e);
      return;
    }
    handler.onCompleteResponse(response);
  }

  /** By which a handler ends its stream. */
  private record Handle(AtomicBoolean ended) implements StreamingHandle {
    @Override
    public void cancel() {
      ended.set(true);
    }

    @Override
    public boolean isCancelled() {
      return ended.get();
    }
  }
}
