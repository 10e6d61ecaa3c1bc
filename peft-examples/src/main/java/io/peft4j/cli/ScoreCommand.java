package io.peft4j.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.adapter.AdaptedModel;
import io.peft4j.data.CausalExample;
import io.peft4j.model.CausalLm;
import io.peft4j.model.batch.TokenSequence;
import io.peft4j.text.CausalEncoder;
import io.peft4j.text.CausalTokenizer;
import io.peft4j.text.LabelledTokens;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code peft score}: how likely a language model finds texts. */
@Command(
    name = "score",
    description = {
      "Log-probabilities of texts: JSON lines {\"text\": …}, {\"prompt\": …, \"completion\": …} or",
      "{\"input_ids\": […]} in; {\"tokens\": n, \"nll\": sum, \"token_logprobs\": […]} out, of the",
      "completion's tokens, or of all but the first."
    },
    mixinStandardHelpOptions = true)
final class ScoreCommand implements Callable<Integer> {

  @Mixin private ModelOptions model;

  @Mixin private AdapterOption adapter;

  @Mixin private AnswerOptions lines;

  @Option(
      names = {"--batch-size", "--batch_size"},
      defaultValue = "8",
      description = "Examples in a pass. Default: ${DEFAULT-VALUE}.")
  private int batchSize;

  @Option(names = "--config", description = "YAML file with options; flags override it.")
  private Path config;

  @Override
  public Integer call() throws IOException {
    Path folder = model.locate();
    try (CausalLm lm = CausalLm.load(folder, model.loadOptions());
        AdaptedModel adapted = adapter.adapt(lm.model());
        Lazy<CausalTokenizer> tokenizer =
            new Lazy<>(() -> CausalTokenizer.of(adapter.tokenizer(folder), lm.model()))) {
      lines.answer(
          batchSize, (json, keys) -> read(json, keys, tokenizer, lm), rows -> answers(rows, lm));
    }
    return 0;
  }

  private static TokenSequence read(
      JsonNode json, JsonLines.Keys keys, Lazy<CausalTokenizer> tokenizer, CausalLm lm)
      throws IOException {
    if (json.has("input_ids")) {
      keys.used(Set.of("input_ids"));
      return lm.sequence(JsonLines.tokens(json, "input_ids", lm.model().config().vocabularySize()));
    }
    if (json.has("prompt")) {
      keys.used(Set.of("prompt", "completion"));
      CausalTokenizer opened = tokenizer.get();
      CausalExample.Completion example =
          new CausalExample.Completion(
              JsonLines.string(json, "prompt"), JsonLines.string(json, "completion"), 0);
      LabelledTokens tokens = new CausalEncoder(opened, lm.maxLength()).encode(example, false);
      return lm.sequence(tokens.ids()).withLabels(tokens.labels());
    }
    if (!json.has("text")) {
      throw new IllegalArgumentException(
          "expected 'text', 'prompt' and 'completion', or 'input_ids'");
    }
    keys.used(Set.of("text"));
    return lm.sequence(tokenizer.get().encode(JsonLines.string(json, "text")));
  }

  private static List<ObjectNode> answers(List<TokenSequence> rows, CausalLm lm) {
    List<ObjectNode> answers = new ArrayList<>();
    for (float[] logProbs : lm.logProbs(rows)) {
      ObjectNode answer = JsonNodeFactory.instance.objectNode().put("tokens", logProbs.length);
      double sum = 0;
      for (float logProb : logProbs) {
        sum -= logProb;
      }
      answer.put("nll", sum + 0.0);
      ArrayNode array = answer.putArray("token_logprobs");
      for (float logProb : logProbs) {
        array.add(logProb);
      }
      answers.add(answer);
    }
    return answers;
  }
}
