package io.peft4j.examples.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.adapter.AdaptedModel;
import io.peft4j.data.Task;
import io.peft4j.model.Model;
import io.peft4j.model.TokenBatch;
import io.peft4j.model.TokenSequence;
import io.peft4j.text.TextTokenizer;
import io.peft4j.text.Tokens;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code peft predict}: classifies JSON lines. */
@Command(
    name = "predict",
    description = {
      "Classify JSON lines: {\"text\": …}, {\"text\": …, \"text_pair\": …} or {\"input_ids\": […]}",
      "in, {\"label\": …, \"logits\": […]} out."
    },
    mixinStandardHelpOptions = true)
final class PredictCommand implements Callable<Integer> {

  @Mixin private ModelOptions model;

  @Option(
      names = "--adapter",
      paramLabel = "DIR",
      description = "Adapter folder; none for the base.")
  private Path adapter;

  @Option(names = "--input", required = true, paramLabel = "FILE", description = "JSON lines.")
  private Path input;

  @Option(names = "--output", required = true, paramLabel = "FILE", description = "JSON lines.")
  private Path output;

  @Option(
      names = {"--batch-size", "--batch_size"},
      defaultValue = "32",
      description = "Examples in a pass. Default: ${DEFAULT-VALUE}.")
  private int batchSize;

  @Option(names = "--config", description = "YAML file with options; flags override it.")
  private Path config;

  @Override
  public Integer call() throws IOException {
    Path folder = model.locate();
    try (Model base = model.load(adapter, model.loadOptions());
        AdaptedModel adapted = ModelOptions.adapt(base, adapter);
        Lines lines = new Lines(folder, base)) {
      JsonLines.answer(input, output, batchSize, lines::read, rows -> answers(rows, base));
    }
    return 0;
  }

  private static List<ObjectNode> answers(List<TokenSequence> rows, Model base) {
    List<ObjectNode> answers = new ArrayList<>();
    try (TokenBatch batch = base.batch(rows)) {
      for (float[] logits : base.logits(batch)) {
        answers.add(answer(logits, base));
      }
    }
    return answers;
  }

  private static ObjectNode answer(float[] logits, Model base) {
    ObjectNode answer = JsonNodeFactory.instance.objectNode();
    if (base.task() == Task.SINGLE_LABEL) {
      int best = 0;
      for (int i = 1; i < logits.length; i++) {
        best = logits[i] > logits[best] ? i : best;
      }
      answer.put("label", base.labels().name(best));
    } else if (base.task() == Task.MULTI_LABEL) {
      ArrayNode labels = answer.putArray("label");
      for (int i = 0; i < logits.length; i++) {
        if (logits[i] > 0) {
          labels.add(base.labels().name(i));
        }
      }
    } else {
      answer.put("label", logits[0]);
    }
    ArrayNode array = answer.putArray("logits");
    for (float logit : logits) {
      array.add(logit);
    }
    return answer;
  }

  /** Reads lines as sequences; the tokenizer is opened when the first text comes. */
  private static final class Lines implements AutoCloseable {
    private final Path folder;
    private final Model base;
    private TextTokenizer tokenizer;

    Lines(Path folder, Model base) {
      this.folder = folder;
      this.base = base;
    }

    TokenSequence read(JsonNode json) throws IOException {
      if (json.has("input_ids")) {
        int vocabulary = base.config().json().path("vocab_size").asInt();
        int[] ids = JsonLines.tokens(json, "input_ids", vocabulary);
        int[] types =
            json.has("token_type_ids") ? JsonLines.integers(json, "token_type_ids") : null;
        return json.has("attention_mask")
            ? base.unpad(ids, types, JsonLines.integers(json, "attention_mask"))
            : base.sequence(ids, types);
      }
      if (!json.path("text").isTextual()) {
        throw new IllegalArgumentException("expected 'text' or 'input_ids'");
      }
      Tokens tokens =
          tokenizer().encode(json.get("text").asText(), json.path("text_pair").asText(null));
      return base.sequence(tokens.ids(), tokens.types());
    }

    private TextTokenizer tokenizer() throws IOException {
      if (tokenizer == null) {
        tokenizer = TextTokenizer.of(folder, base);
      }
      return tokenizer;
    }

    @Override
    public void close() {
      if (tokenizer != null) {
        tokenizer.close();
      }
    }
  }
}
