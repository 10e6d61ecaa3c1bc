package io.peft4j.examples.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.adapter.AdaptedModel;
import io.peft4j.data.Task;
import io.peft4j.io.AtomicFiles;
import io.peft4j.model.Model;
import io.peft4j.model.TokenBatch;
import io.peft4j.model.TokenSequence;
import io.peft4j.text.TextTokenizer;
import io.peft4j.text.Tokens;
import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.MalformedInputException;
import java.nio.file.Files;
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

  private static final ObjectMapper JSON = new ObjectMapper();

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
    if (batchSize < 1) {
      throw new IllegalArgumentException("--batch-size must be positive, found " + batchSize);
    }
    Path folder = model.locate();
    try (Model base = model.load(adapter, model.loadOptions());
        AdaptedModel adapted = ModelOptions.adapt(base, adapter);
        Lines lines = new Lines(folder, base)) {
      AtomicFiles.write(output, temporary -> predict(lines, base, temporary));
    }
    return 0;
  }

  private void predict(Lines lines, Model base, Path target) throws IOException {
    try (BufferedReader reader = Files.newBufferedReader(input);
        BufferedWriter writer = Files.newBufferedWriter(target)) {
      List<TokenSequence> waiting = new ArrayList<>();
      int number = 0;
      for (String line = reader.readLine(); line != null; line = reader.readLine()) {
        number++;
        if (line.isBlank()) {
          continue;
        }
        try {
          waiting.add(lines.read(line));
        } catch (IllegalArgumentException e) {
          throw new IllegalArgumentException(input + ":" + number + ": " + e.getMessage(), e);
        }
        if (waiting.size() == batchSize) {
          write(waiting, base, writer);
        }
      }
      write(waiting, base, writer);
    } catch (MalformedInputException e) {
      throw new IllegalArgumentException(input + ": expected UTF-8, found other bytes", e);
    }
  }

  private static void write(List<TokenSequence> waiting, Model base, BufferedWriter writer)
      throws IOException {
    if (waiting.isEmpty()) {
      return;
    }
    try (TokenBatch batch = base.batch(waiting)) {
      for (float[] logits : base.logits(batch)) {
        writer.write(JSON.writeValueAsString(answer(logits, base)));
        writer.newLine();
      }
    }
    waiting.clear();
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

    TokenSequence read(String line) {
      JsonNode json;
      try {
        json = JSON.readTree(line);
      } catch (JsonProcessingException e) {
        throw new IllegalArgumentException("not JSON: " + e.getOriginalMessage(), e);
      }
      if (json.has("input_ids")) {
        int[] ids = integers(json, "input_ids");
        int[] types = json.has("token_type_ids") ? integers(json, "token_type_ids") : null;
        int vocabulary = base.config().json().path("vocab_size").asInt();
        for (int id : ids) {
          if (id < 0 || id >= vocabulary) {
            throw new IllegalArgumentException(
                "'input_ids': expected 0 to " + (vocabulary - 1) + ", found " + id);
          }
        }
        return json.has("attention_mask")
            ? base.unpad(ids, types, integers(json, "attention_mask"))
            : base.sequence(ids, types);
      }
      if (!json.path("text").isTextual()) {
        throw new IllegalArgumentException("expected 'text' or 'input_ids'");
      }
      Tokens tokens =
          tokenizer().encode(json.get("text").asText(), json.path("text_pair").asText(null));
      return base.sequence(tokens.ids(), tokens.types());
    }

    private static int[] integers(JsonNode json, String key) {
      JsonNode array = json.get(key);
      if (!array.isArray()) {
        throw new IllegalArgumentException("'" + key + "' must be a list of integers");
      }
      int[] values = new int[array.size()];
      for (int i = 0; i < values.length; i++) {
        if (!array.get(i).canConvertToInt() || !array.get(i).isIntegralNumber()) {
          throw new IllegalArgumentException(
              "'" + key + "' must be a list of integers, found " + array.get(i));
        }
        values[i] = array.get(i).asInt();
      }
      return values;
    }

    private TextTokenizer tokenizer() {
      if (tokenizer == null) {
        try {
          tokenizer = TextTokenizer.of(folder, base);
        } catch (IOException e) {
          throw new UncheckedIOException(e);
        }
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
