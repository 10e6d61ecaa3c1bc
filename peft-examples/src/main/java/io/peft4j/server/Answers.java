package io.peft4j.server;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.UUID;

/** Generates for a request, and answers it: whole, or as a stream of events. */
final class Answers {

  /** How often it is looked whether the server ends, or a silent stream's client has gone. */
  private static final Duration LOOK = Duration.ofMillis(200);

  private static final Duration PING = Duration.ofSeconds(1);

  private final ServedModel served;
  private final Lifecycle lifecycle;

  Answers(ServedModel served, Lifecycle lifecycle) {
    this.served = served;
    this.lifecycle = lifecycle;
  }

  /**
   * How an answer is to be given.
   *
   * @param model what it calls the model
   * @param streamed whether as a stream
   * @param usage whether a stream ends with how many tokens there were
   */
  record Manner(String model, Style style, boolean streamed, boolean usage) {}

  void answer(Call call, TextRequest request, Manner manner)
      throws IOException, InterruptedException {
    try (TextGeneration generation = TextGeneration.start(served, request)) {
      if (manner.streamed()) {
        stream(call, request, manner, generation);
      } else {
        call.json(200, whole(request, manner, generation));
      }
    }
  }

  private ObjectNode whole(TextRequest request, Manner manner, TextGeneration generation)
      throws InterruptedException {
    int n = request.prompts().size() * request.n();
    List<StringBuilder> texts = new ArrayList<>();
    List<List<TextGeneration.Scored>> tokens = new ArrayList<>();
    TextGeneration.Finish[] finish = new TextGeneration.Finish[n];
    for (int i = 0; i < n; i++) {
      texts.add(new StringBuilder());
      tokens.add(new ArrayList<>());
    }
    while (generation.isRunning()) {
      next(generation)
          .ifPresent(
              piece -> {
                texts.get(piece.sequence()).append(piece.text());
                tokens.get(piece.sequence()).addAll(piece.tokens());
                finish[piece.sequence()] = piece.finish();
              });
    }
    ObjectNode answer = head(manner, UUID.randomUUID(), Instant.now().getEpochSecond());
    ArrayNode choices = answer.putArray("choices");
    for (int i = 0; i < n; i++) {
      String text = texts.get(i).toString();
      choices.add(reason(manner.style().whole(i, text, tokens.get(i)), finish[i]));
    }
    return answer.set("usage", usage(request, generation));
  }

  private Optional<TextGeneration.Piece> next(TextGeneration generation)
      throws InterruptedException {
    Optional<TextGeneration.Piece> piece = generation.next(LOOK);
    if (lifecycle.isCutting()) {
      throw ApiException.ending();
    }
    return piece;
  }

  /** Nothing is sent before something is known: until then a failure has a status of its own. */
  private void stream(Call call, TextRequest request, Manner manner, TextGeneration generation)
      throws IOException, InterruptedException {
    UUID id = UUID.randomUUID();
    long created = Instant.now().getEpochSecond();
    long said = System.nanoTime();
    EventStream events = null;
    while (generation.isRunning()) {
      Optional<TextGeneration.Piece> piece;
      try {
        piece = next(generation);
      } catch (RuntimeException e) {
        if (events == null) {
          throw e;
        }
        events.send(Failures.of(e, call.path()).toJson());
        return;
      }
      boolean silent = System.nanoTime() - said > PING.toNanos();
      if (piece.isEmpty() && !silent) {
        continue;
      }
      if (events == null) {
        events = call.events();
        open(events, request, manner, id, created);
      }
      if (piece.isPresent()) {
        ObjectNode choice = reason(manner.style().piece(piece.get()), piece.get().finish());
        events.send(chunk(manner, id, created, choice));
      } else {
        events.ping();
      }
      said = System.nanoTime();
    }
    if (manner.usage()) {
      ObjectNode last = head(manner, id, created);
      last.putArray("choices");
      events.send(last.set("usage", usage(request, generation)));
    }
    events.done();
  }

  private void open(EventStream events, TextRequest request, Manner manner, UUID id, long created)
      throws IOException {
    for (int i = 0; i < request.prompts().size() * request.n(); i++) {
      ObjectNode opening = manner.style().opening(i);
      if (opening != null) {
        events.send(chunk(manner, id, created, reason(opening, null)));
      }
    }
  }

  private static ObjectNode chunk(Manner manner, UUID id, long created, JsonNode choice) {
    ObjectNode chunk = head(manner, id, created);
    chunk.putArray("choices").add(choice);
    return manner.usage() ? chunk.putNull("usage") : chunk;
  }

  private static ObjectNode head(Manner manner, UUID id, long created) {
    return JsonNodeFactory.instance
        .objectNode()
        .put("id", manner.style().prefix() + id.toString().replace("-", ""))
        .put("object", manner.style().object(manner.streamed()))
        .put("created", created)
        .put("model", manner.model());
  }

  /** OpenAI's clients know two reasons; that it was for time is said beside. */
  private static ObjectNode reason(ObjectNode choice, TextGeneration.Finish finish) {
    if (finish == null) {
      return choice.putNull("finish_reason");
    }
    switch (finish) {
      case END, STOP -> choice.put("finish_reason", "stop");
      case LENGTH -> choice.put("finish_reason", "length");
      case DEADLINE -> choice.put("finish_reason", "length").put("stop_reason", "deadline");
    }
    return choice;
  }

  private static ObjectNode usage(TextRequest request, TextGeneration generation) {
    return usage(
        request.prompts().stream().mapToInt(prompt -> prompt.length).sum(), generation.tokens());
  }

  private static ObjectNode usage(int prompt, int completion) {
    return JsonNodeFactory.instance
        .objectNode()
        .put("prompt_tokens", prompt)
        .put("completion_tokens", completion)
        .put("total_tokens", prompt + completion);
  }
}
