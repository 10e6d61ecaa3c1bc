package io.peft4j.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.adapter.AdaptedModel;
import io.peft4j.adapter.AdapterMix;
import io.peft4j.adapter.lora.LoraConfig;
import io.peft4j.data.EpochOrder;
import io.peft4j.io.JsonFiles;
import io.peft4j.model.CausalLm;
import io.peft4j.model.Model;
import io.peft4j.model.batch.TokenBatch;
import io.peft4j.model.batch.TokenSequence;
import io.peft4j.model.chain.Loss;
import io.peft4j.train.Trainer;
import io.peft4j.train.TrainingArguments;
import io.peft4j.train.TrainingArguments.GradientCheckpointing;
import io.peft4j.train.TrainingSet;
import io.peft4j.train.report.ProcessMemory;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.stream.IntStream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/**
 * {@code peft bench-causal}: LoRA steps on a decoder, timed. The same work as {@code
 * src/bench/hf_causal.py} does with Hugging Face, so that the two can be compared.
 */
@Command(
    name = "bench-causal",
    description = "Time LoRA steps on a language model; prints one JSON object.",
    mixinStandardHelpOptions = true)
final class BenchCausalCommand implements Callable<Integer> {

  @Mixin private ModelOptions model;

  @Mixin private BenchAdapter adapter;

  @Option(
      names = "--examples",
      required = true,
      paramLabel = "FILE",
      description = "JSON lines {\"input_ids\", \"prompt\": how many of them are not predicted}.")
  private Path examples;

  @Option(
      names = "--batch",
      defaultValue = "8",
      description = "Examples in a step. Default: ${DEFAULT-VALUE}.")
  private int batch;

  @Option(names = "--steps", defaultValue = "21", description = "Timed. Default: 21.")
  private int steps;

  @Option(names = "--warmup", defaultValue = "3", description = "Steps before. Default: 3.")
  private int warmup;

  @Option(names = "--workers", defaultValue = "0", description = "1, 2, or 0 to choose.")
  private int workers;

  @Option(
      names = "--gradient-checkpointing",
      defaultValue = "OFF",
      description = "Run layers again in the backward pass: off, on or auto. Default: off.")
  private GradientCheckpointing recompute;

  @AppliesTo(needs = "--gradient-checkpointing=auto")
  @Option(
      names = "--memory-budget",
      converter = ByteSize.class,
      defaultValue = "0",
      paramLabel = "SIZE",
      description = "For auto, such as 900MB.")
  private long memoryBudget;

  @Option(names = "--output", paramLabel = "FILE", description = "File for the result.")
  private Path output;

  /** Tokens, of which the first ones are a prompt. */
  private record Example(int[] ids, int prompt) {
    int[] labels() {
      int[] labels = ids.clone();
      Arrays.fill(labels, 0, Math.max(1, prompt), TokenSequence.IGNORED);
      return labels;
    }
  }

  /** In the order of the file: the trainer's order is undone. */
  private record Examples(List<Example> all) implements TrainingSet {
    @Override
    public int size() {
      return all.size();
    }

    @Override
    public int length(int index) {
      return all.get(index).ids.length;
    }

    @Override
    public int weight(int index) {
      return length(index) - Math.max(1, all.get(index).prompt);
    }

    @Override
    public String fingerprint() {
      return "bench";
    }

    @Override
    public TokenBatch batch(Model model, int[] indices) {
      return model.batch(
          IntStream.of(indices)
              .mapToObj(all::get)
              .map(example -> model.sequence(example.ids, null).withLabels(example.labels()))
              .toList());
    }

    @Override
    public Loss loss(Model model, int[] indices) {
      return null;
    }
  }

  @Override
  public Integer call() throws IOException {
    List<Example> rows = read();
    // One long epoch, so that the trainer's own shuffling does not come in between.
    int count = batch * (warmup + steps);
    int[] permutation = EpochOrder.permutation(count, 0, 0);
    Example[] placed = new Example[count];
    int batches = rows.size() / batch;
    int[] visited = new int[count];
    long tokens = 0;
    int at = 0;
    for (int step = 0; step < warmup + steps; step++) {
      int from = step % batches * batch;
      for (int i = 0; i < batch; i++) {
        visited[at++] = from + i;
      }
    }
    for (int i = 0; i < count; i++) {
      placed[permutation[i]] = rows.get(visited[i]);
      tokens += i >= warmup * batch ? rows.get(visited[i]).ids.length : 0;
    }
    Stopwatch stopwatch = new Stopwatch(warmup);
    try (ScratchFolder scratch = ScratchFolder.create();
        CausalLm lm = CausalLm.load(model.locate(), model.loadOptions());
        AdaptedModel adapted = new AdaptedModel(lm.model())) {
      AdapterMix mix =
          adapter.add(
              adapted,
              LoraConfig.builder()
                  .r(16)
                  .loraAlpha(32)
                  .targetModules(
                      "q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
                  .build(),
              0);
      TrainingArguments arguments =
          TrainingArguments.builder()
              .numTrainEpochs(1)
              .perDeviceTrainBatchSize(batch)
              .learningRate(1e-4)
              .gradientCheckpointing(recompute)
              .memoryBudget(memoryBudget)
              .workers(workers)
              .seed(0)
              .build();
      new Trainer(
              adapted,
              mix,
              arguments,
              new Examples(List.of(placed)),
              null,
              stopwatch,
              scratch.path(),
              Map.of())
          .train(false);
    }
    report(stopwatch, tokens);
    return 0;
  }

  private List<Example> read() throws IOException {
    ObjectMapper json = JsonFiles.MAPPER;
    List<Example> rows = new ArrayList<>();
    for (String line : Files.readAllLines(examples)) {
      JsonNode row = json.readTree(line);
      int[] ids = new int[row.path("input_ids").size()];
      for (int i = 0; i < ids.length; i++) {
        ids[i] = row.get("input_ids").get(i).asInt();
      }
      if (ids.length == 0 || !row.path("prompt").isInt()) {
        throw new IllegalArgumentException(
            examples + ": line " + (rows.size() + 1) + ": expected 'input_ids' and 'prompt'");
      }
      rows.add(new Example(ids, row.get("prompt").asInt()));
    }
    return rows;
  }

  private void report(Stopwatch stopwatch, long tokens) throws IOException {
    ObjectNode result =
        JsonNodeFactory.instance
            .objectNode()
            .put("steps", steps)
            .put("seconds", stopwatch.seconds())
            .put("cpu_seconds", stopwatch.cpuSeconds())
            .put("tokens", tokens)
            .put("tokens_per_s", tokens / stopwatch.seconds())
            .put("first_loss", stopwatch.firstLoss())
            .put("last_loss", stopwatch.lastLoss());
    ProcessMemory.now()
        .peakRssBytes()
        .ifPresent(bytes -> result.put("peak_rss_mb", bytes / 1024.0 / 1024.0));
    stopwatch.gpu().ifPresent(gpu -> result.put("peak_gpu_mb", gpu.peakBytes() / 1024.0 / 1024.0));
    JsonOutput.report(result, output);
  }
}
