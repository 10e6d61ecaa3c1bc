package io.peft4j.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.adapter.AdaptedModel;
import io.peft4j.data.Example;
import io.peft4j.data.Task;
import io.peft4j.data.TextFormat;
import io.peft4j.data.TextReader;
import io.peft4j.eval.Metrics;
import io.peft4j.model.Model;
import io.peft4j.model.batch.TokenBatch;
import io.peft4j.model.batch.TokenSequence;
import io.peft4j.text.TextTokenizer;
import io.peft4j.text.Tokens;
import java.io.IOException;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code peft predict}: classifies texts. */
@Command(
    name = "predict",
    description = {
      "Classify texts: the files that train takes, with or without labels, and JSON lines of",
      "{\"input_ids\": […]}. Writes JSON lines {\"label\": …, \"logits\": […], \"probabilities\":",
      "{NAME: …}}, and says how many labels are right where there are any."
    },
    mixinStandardHelpOptions = true)
final class PredictCommand implements Callable<Integer> {

  @Mixin private ModelOptions model;

  @Mixin private AdapterOption adapter;

  @Mixin private AnswerOptions lines;

  @Mixin private ColumnOptions columns;

  @Option(names = "--encoding", description = "Of the files. Default: UTF-8.")
  private Charset encoding = StandardCharsets.UTF_8;

  @Option(
      names = {"--max-length", "--max_length"},
      defaultValue = "0",
      description = "Tokens after which texts are cut; 0 for as many as the model takes.")
  private int maxLength;

  @Option(
      names = {"--batch-size", "--batch_size"},
      defaultValue = "32",
      description = "Examples in a pass. Default: ${DEFAULT-VALUE}.")
  private int batchSize;

  @Option(names = "--config", description = "YAML file with options; flags override it.")
  private Path config;

  /**
   * What is to be classified.
   *
   * @param example with the label, if the row has one
   */
  private record Row(TokenSequence tokens, Example example) {}

  @Override
  public Integer call() throws IOException {
    Path folder = model.locate();
    try (Model base = model.load(adapter.folder(), model.loadOptions());
        AdaptedModel adapted = adapter.adapt(base);
        Lazy<TextTokenizer> tokenizer =
            new Lazy<>(() -> ColumnOptions.tokenizer(adapter.tokenizer(folder), base, maxLength))) {
      checkTrained(base);
      LabelCheck check = new LabelCheck(lines.input(), base);
      lines.answerRows(
          batchSize,
          () -> read(tokenizer, base),
          rows -> {
            float[][] logits = logits(rows, base);
            List<ObjectNode> answers = new ArrayList<>();
            for (int i = 0; i < logits.length; i++) {
              check.add(rows.get(i).example(), logits[i]);
              answers.add(answer(logits[i], base));
            }
            return answers;
          });
      check.report().ifPresent(System.err::println);
    }
    return 0;
  }

  private void checkTrained(Model base) {
    if (!base.untrained().isEmpty()) {
      throw new IllegalArgumentException(
          String.format(
              Locale.ROOT,
              "%s has no trained classifier (%s newly drawn), and %s; expected a model that was trained"
                  + " to classify, or an --adapter that brings its head",
              model.name(),
              String.join(", ", base.untrained()),
              adapter.folder() == null
                  ? "there is no --adapter"
                  : adapter.folder() + " does not bring one"));
    }
  }

  private List<Row> read(Lazy<TextTokenizer> tokenizer, Model base) throws IOException {
    Path input = lines.input();
    TextFormat format = columns.format(encoding).unlabelled();
    if (input.toString().toLowerCase(Locale.ROOT).matches(".*\\.(csv|tsv|txt|label)")) {
      List<Row> rows = new ArrayList<>();
      for (Example example : TextReader.read(input, format)) {
        rows.add(new Row(tokens(example, tokenizer.get(), base), example));
      }
      return rows;
    }
    return JsonLines.readNumbered(
        input,
        (json, line) -> {
          if (json.has("input_ids")) {
            return new Row(tokens(json, base), new Example("", null, label(json), line));
          }
          Example example = TextReader.row(json, format, input, line);
          return new Row(tokens(example, tokenizer.get(), base), example);
        });
  }

  private static String label(JsonNode json) {
    JsonNode label = json.path("label");
    return label.isArray() ? label.toString() : label.asText(null);
  }

  private static TokenSequence tokens(Example example, TextTokenizer tokenizer, Model base) {
    Tokens tokens = tokenizer.encode(example.text(), example.textPair());
    return base.sequence(tokens.ids(), tokens.types());
  }

  private static TokenSequence tokens(JsonNode json, Model base) {
    int[] ids = JsonLines.tokens(json, "input_ids", base.config().vocabularySize());
    int[] types = json.has("token_type_ids") ? JsonLines.integers(json, "token_type_ids") : null;
    return json.has("attention_mask")
        ? base.unpad(ids, types, JsonLines.integers(json, "attention_mask"))
        : base.sequence(ids, types);
  }

  private static float[][] logits(List<Row> rows, Model base) {
    try (TokenBatch batch = base.batch(rows.stream().map(Row::tokens).toList())) {
      return base.logits(batch);
    }
  }

  private static ObjectNode answer(float[] logits, Model base) {
    ObjectNode answer = JsonNodeFactory.instance.objectNode();
    if (base.task() == Task.SINGLE_LABEL) {
      answer.put("label", base.labels().name(Metrics.argmax(logits)));
    } else if (base.task() == Task.MULTI_LABEL) {
      ArrayNode labels = answer.putArray("label");
      for (int i = 0; i < logits.length; i++) {
        if (logits[i] > 0) {
          labels.add(base.labels().name(i));
        }
      }
    } else if (logits.length == 1) {
      answer.put("label", logits[0]);
    } else {
      fill(answer.putArray("label"), logits);
    }
    fill(answer.putArray("logits"), logits);
    if (base.task() != Task.REGRESSION) {
      ObjectNode probabilities = answer.putObject("probabilities");
      double[] values = base.task().probabilities(logits);
      for (int i = 0; i < values.length; i++) {
        probabilities.put(base.labels().name(i), values[i]);
      }
    }
    return answer;
  }

  private static void fill(ArrayNode array, float[] numbers) {
    for (float number : numbers) {
      array.add(number);
    }
  }
}
