package io.peft4j.server;

import com.fasterxml.jackson.databind.JsonNode;
import io.peft4j.serve.ClassificationRequest;
import io.peft4j.serve.Classified;
import io.peft4j.text.TextTokenizer;
import io.peft4j.text.Tokens;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** Texts of a request that are to be classified or embedded, and the results of doing so. */
final class Texts {

  private static final Duration LOOK = Duration.ofMillis(200);

  private final ServedModel served;
  private final ServerConfig config;
  private final Lifecycle lifecycle;

  Texts(ServedModel served, ServerConfig config, Lifecycle lifecycle) {
    this.served = served;
    this.config = config;
    this.lifecycle = lifecycle;
  }

  /** {@return the key {@code input}: a text, token numbers, or a list of either} */
  List<Tokens> read(Fields fields, String adapter) {
    JsonNode input = fields.require("input");
    Integer cut = fields.integer("truncate_prompt_tokens", -1, Integer.MAX_VALUE);
    if (cut != null && cut != -1) {
      String key = "truncate_prompt_tokens";
      throw Fields.wrong(key, "-1, for as many as the model takes", fields.get(key));
    }
    List<Tokens> all = new ArrayList<>();
    if (input.isTextual() || (input.isArray() && input.path(0).isNumber())) {
      all.add(tokens(input, adapter, cut != null));
      return all;
    }
    if (!input.isArray() || input.isEmpty()) {
      throw Fields.wrong("input", "a string, token numbers, or a list of such", input);
    }
    Requests.checkCount("input", input.size(), config);
    input.forEach(each -> all.add(tokens(each, adapter, cut != null)));
    return all;
  }

  private Tokens tokens(JsonNode node, String adapter, boolean cut) {
    if (!node.isTextual()) {
      int[] tokens = Requests.tokens("input", node, served.vocabularySize());
      checkLength(tokens.length);
      return new Tokens(tokens, new int[tokens.length], 0);
    }
    TextTokenizer tokenizer = served.reader(adapter);
    Tokens tokens = Requests.encoded("input", () -> tokenizer.encode(node.textValue()));
    if (!cut) {
      checkLength(tokens.length() + tokens.cut());
    }
    return tokens;
  }

  private void checkLength(int tokens) {
    if (tokens > served.maxLength()) {
      throw ApiException.tooLong(
          "input", "'input' has " + tokens + " tokens; the model takes " + served.maxLength());
    }
  }

  /** {@return what the router says of each; if it refuses one, those before it are cancelled} */
  List<Classified> run(String adapter, List<Tokens> texts) throws InterruptedException {
    List<CompletableFuture<Classified>> futures = new ArrayList<>();
    try {
      for (Tokens text : texts) {
        ClassificationRequest request =
            ClassificationRequest.of(adapter, text.ids(), text.types())
                .withDeadline(config.requestTime());
        futures.add(served.router().classify(request));
      }
      List<Classified> results = new ArrayList<>();
      for (CompletableFuture<Classified> future : futures) {
        results.add(await(future));
      }
      return results;
    } finally {
      futures.forEach(future -> future.cancel(false)); // does nothing to those that are done
    }
  }

  private Classified await(CompletableFuture<Classified> future) throws InterruptedException {
    while (true) {
      try {
        return future.get(LOOK.toMillis(), TimeUnit.MILLISECONDS);
      } catch (TimeoutException e) {
        if (lifecycle.isCutting()) {
          throw ApiException.ending();
        }
      } catch (ExecutionException e) {
        throw e.getCause() instanceof RuntimeException cause
            ? cause
            : new CompletionException(e.getCause());
      }
    }
  }
}
