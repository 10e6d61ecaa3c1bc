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

  @Mixin private AdapterOption adapter;

  @Mixin private AnswerOptions lines;

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
    try (Model base = model.load(adapter.folder(), model.loadOptions());
        AdaptedModel adapted = adapter.adapt(base);
        Lazy<TextTokenizer> tokenizer = new Lazy<>(() -> TextTokenizer.of(folder, base))) {
      lines.answer(batchSize, json -> read(json, tokenizer, base), rows -> answers(rows, base));
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

  private static TokenSequence read(JsonNode json, Lazy<TextTokenizer> tokenizer, Model base)
      throws IOException {
    if (json.has("input_ids")) {
      int vocabulary = base.config().vocabularySize();
      int[] ids = JsonLines.tokens(json, "input_ids", vocabulary);
      int[] types = json.has("token_type_ids") ? JsonLines.integers(json, "token_type_ids") : null;
      return json.has("attention_mask")
          ? base.unpad(ids, types, JsonLines.integers(json, "attention_mask"))
          : base.sequence(ids, types);
    }
    if (!json.has("text")) {
      throw new IllegalArgumentException("expected 'text' or 'input_ids'");
    }
    String pair = json.hasNonNull("text_pair") ? JsonLines.string(json, "text_pair") : null;
    Tokens tokens = tokenizer.get().encode(JsonLines.string(json, "text"), pair);
    return base.sequence(tokens.ids(), tokens.types());
  }
}
