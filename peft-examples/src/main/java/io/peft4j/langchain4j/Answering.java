package io.peft4j.langchain4j;

import dev.langchain4j.data.message.AiMessage;
import dev.langchain4j.exception.InternalServerException;
import dev.langchain4j.exception.InvalidRequestException;
import dev.langchain4j.exception.LangChain4jException;
import dev.langchain4j.exception.ModelNotFoundException;
import dev.langchain4j.exception.RateLimitException;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.output.FinishReason;
import dev.langchain4j.model.output.TokenUsage;
import io.peft4j.server.ApiException;
import io.peft4j.server.ChatQuery;
import io.peft4j.server.Failures;
import io.peft4j.server.ServedModel;
import io.peft4j.server.ServerConfig;
import io.peft4j.server.TextGeneration;
import java.time.Duration;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.CancellationException;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;

/** Answers requests with a served model, and tells failures in LangChain4j's words. */
final class Answering {

  /** How often it is looked whether a stream was cancelled. */
  private static final Duration LOOK = Duration.ofMillis(100);

  private static final ServerConfig LIMITS = ServerConfig.builder().build();

  private final ServedModel served;

  Answering(ServedModel served) {
    if (served.kind() != ServedModel.Kind.LANGUAGE_MODEL) {
      throw new IllegalArgumentException(
          "expected a language model, found " + served.name() + ", of the kind " + served.kind());
    }
    this.served = served;
  }

  /**
   * @param heard hears each piece of the text
   * @param cancelled whether nobody wants it any more
   * @throws CancellationException if so
   */
  ChatResponse answer(ChatRequest request, Consumer<String> heard, BooleanSupplier cancelled) {
    try {
      ChatQuery query = ChatQuery.read(ChatJson.of(request), served, LIMITS);
      try (TextGeneration generation = TextGeneration.start(served, query.request())) {
        StringBuilder text = new StringBuilder();
        TextGeneration.Finish finish = null;
        while (generation.isRunning()) {
          Optional<TextGeneration.Piece> piece = generation.next(LOOK);
          if (cancelled.getAsBoolean()) {
            throw new CancellationException("cancelled by its user");
          }
          if (piece.isPresent()) {
            if (!piece.get().text().isEmpty()) {
              text.append(piece.get().text());
              heard.accept(piece.get().text());
            }
            finish = piece.get().finish();
          }
        }
        return response(query, text.toString(), finish, generation.tokens());
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new LangChain4jException(e);
    } catch (CancellationException | LangChain4jException e) {
      throw e;
    } catch (RuntimeException e) {
      throw told(e);
    }
  }

  static LangChain4jException told(RuntimeException failure) {
    ApiException api = Failures.of(failure, "a request by LangChain4j");
    String message = api.getMessage();
    return switch (api.status()) {
      case 404 -> new ModelNotFoundException(message, failure);
      case 429 -> new RateLimitException(message, failure);
      case 500, 503 -> new InternalServerException(message, failure);
      default -> new InvalidRequestException(message, failure);
    };
  }

  private static ChatResponse response(
      ChatQuery query, String text, TextGeneration.Finish finish, int tokens) {
    return ChatResponse.builder()
        .id(UUID.randomUUID().toString())
        .modelName(query.model())
        .aiMessage(AiMessage.from(text))
        .tokenUsage(new TokenUsage(query.request().prompts().get(0).length, tokens))
        .finishReason(
            switch (finish) {
              case END, STOP -> FinishReason.STOP;
              case LENGTH -> FinishReason.LENGTH;
              case DEADLINE -> FinishReason.OTHER;
            })
        .build();
  }
}
