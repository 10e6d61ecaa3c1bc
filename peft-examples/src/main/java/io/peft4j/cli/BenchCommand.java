package io.peft4j.cli;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.adapter.AdaptedModel;
import io.peft4j.adapter.AdapterMix;
import io.peft4j.adapter.lora.LoraConfig;
import io.peft4j.data.EpochOrder;
import io.peft4j.data.Task;
import io.peft4j.data.TextDataset;
import io.peft4j.data.TextFormat;
import io.peft4j.model.Model;
import io.peft4j.text.TextTokenizer;
import io.peft4j.train.ClassificationSet;
import io.peft4j.train.Trainer;
import io.peft4j.train.TrainingArguments;
import io.peft4j.train.report.ProcessMemory;
import io.peft4j.train.report.RunSummary;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/**
 * {@code peft bench}: one epoch of LoRA, or of another method, on labelled texts, timed. The same
 * work as {@code src/bench/hf_sst2.py} does with Hugging Face, so that the two can be compared.
 */
@Command(
    name = "bench",
    description = "Time one epoch of LoRA on labelled texts; prints one JSON object.",
    mixinStandardHelpOptions = true)
final class BenchCommand implements Callable<Integer> {

  /** Steps that are not in the step times. */
  private static final int WARM_UP = 10;

  @Mixin private ModelOptions model;

  @Mixin private BenchAdapter adapter;

  @Option(names = "--train", required = true, paramLabel = "FILE", description = "Labelled texts.")
  private Path train;

  @Option(names = "--test", required = true, paramLabel = "FILE", description = "Labelled texts.")
  private Path test;

  @Option(
      names = "--order",
      paramLabel = "FILE",
      description = "Row numbers of --train, in the order to see them. Default: random.")
  private Path order;

  @Option(names = "--rows", defaultValue = "16000", description = "Rows to train on.")
  private int rows;

  @Option(
      names = "--batch",
      defaultValue = "32",
      description = "Examples in a step. Default: ${DEFAULT-VALUE}.")
  private int batch;

  @Option(
      names = "--max-length",
      defaultValue = "128",
      description = "Tokens of an example. Default: ${DEFAULT-VALUE}.")
  private int maxLength;

  @AppliesTo(unless = "--adapter-config")
  @Option(names = "--r", defaultValue = "8", description = "Rank. Default: ${DEFAULT-VALUE}.")
  private int r;

  @AppliesTo(unless = "--adapter-config")
  @Option(
      names = "--alpha",
      defaultValue = "16",
      description = "Scaling is alpha / r. Default: ${DEFAULT-VALUE}.")
  private double alpha;

  @AppliesTo(unless = "--adapter-config")
  @Option(
      names = "--targets",
      defaultValue = "query,value",
      split = ",",
      description = "Modules to adapt. Default: ${DEFAULT-VALUE}.")
  private String[] targets;

  @Option(
      names = "--lr",
      defaultValue = "1e-3",
      description = "Peak rate. Default: ${DEFAULT-VALUE}.")
  private double learningRate;

  @Option(
      names = "--warmup-ratio",
      defaultValue = "0.06",
      description = "Share of the steps to warm up for. Default: 0.06.")
  private double warmupRatio;

  @Option(
      names = "--seed",
      defaultValue = "0",
      description = "Of order and factors. Default: ${DEFAULT-VALUE}.")
  private long seed;

  @Option(names = "--workers", defaultValue = "0", description = "1, 2, or 0 to choose.")
  private int workers;

  @Option(names = "--save", paramLabel = "DIR", description = "Folder to save the adapter in.")
  private Path save;

  @Option(names = "--output", paramLabel = "FILE", description = "File for the result.")
  private Path output;

  @Override
  public Integer call() throws IOException {
    try (OutputFolder saved = save == null ? null : OutputFolder.open(save, false)) {
      return bench();
    }
  }

  private int bench() throws IOException {
    TextDataset all = TextDataset.read(train, TextFormat.DEFAULT, Task.SINGLE_LABEL);
    TextDataset held =
        TextDataset.read(test, TextFormat.DEFAULT, Task.SINGLE_LABEL, all.labelNames());
    int[] wanted = wantedOrder(all.size());
    // The trainer visits example permutation[i] at i: put there what is wanted at i.
    int[] permutation = EpochOrder.permutation(wanted.length, seed, 0);
    int[] placed = new int[wanted.length];
    for (int i = 0; i < wanted.length; i++) {
      placed[permutation[i]] = wanted[i];
    }
    Path folder = model.locate();
    try (ScratchFolder scratch = ScratchFolder.create();
        Model base =
            Model.load(
                folder,
                model.loadOptions().withHead(Task.SINGLE_LABEL, all.labelNames()).withSeed(seed));
        AdaptedModel adapted = new AdaptedModel(base);
        TextTokenizer tokenizer =
            TextTokenizer.load(folder, maxLength, base.config().vocabularySize())) {
      AdapterMix mix =
          adapter.add(
              adapted,
              LoraConfig.builder()
                  .r(r)
                  .loraAlpha(alpha)
                  .targetModules(targets)
                  .taskType("SEQ_CLS")
                  .build(),
              seed);
      ClassificationSet set = ClassificationSet.of(all.subset(placed), tokenizer, base);
      ClassificationSet heldOut = ClassificationSet.of(held, tokenizer, base);
      TrainingArguments arguments =
          TrainingArguments.builder()
              .numTrainEpochs(1)
              .perDeviceTrainBatchSize(batch)
              .learningRate(learningRate)
              .warmupRatio(warmupRatio)
              .seed(seed)
              .workers(workers)
              .build();
      Stopwatch stopwatch = new Stopwatch(WARM_UP);
      RunSummary summary =
          new Trainer(
                  adapted,
                  mix,
                  arguments,
                  set,
                  null,
                  stopwatch,
                  save != null ? save : scratch.path(),
                  Map.of())
              .train(false);
      report(summary, stopwatch, mix, heldOut.evaluate(base, 64));
    }
    return 0;
  }

  private int[] wantedOrder(int available) throws IOException {
    if (order == null) {
      return Arrays.copyOf(EpochOrder.permutation(available, seed, 1), Math.min(rows, available));
    }
    int[] wanted =
        Arrays.stream(Files.readString(order).trim().split("\\s+"))
            .limit(rows)
            .mapToInt(Integer::parseInt)
            .toArray();
    for (int row : wanted) {
      if (row < 0 || row >= available) {
        throw new IllegalArgumentException(
            order + ": expected rows 0 to " + (available - 1) + ", found " + row);
      }
    }
    return wanted;
  }

  private void report(
      RunSummary summary, Stopwatch stopwatch, AdapterMix mix, Map<String, Double> metrics)
      throws IOException {
    ObjectNode result =
        JsonNodeFactory.instance
            .objectNode()
            .put("examples_per_s", summary.examplesPerSecond())
            .put("tokens_per_s", summary.tokensPerSecond())
            .put("train_seconds", summary.seconds())
            .put("step_ms", 1e3 * stopwatch.seconds() / stopwatch.steps())
            .put("step_cpu_ms", 1e3 * stopwatch.cpuSeconds() / stopwatch.steps())
            .put("trainable", mix.parameterCount())
            .put("mean_loss", summary.loss());
    metrics.forEach((name, value) -> result.put("eval_" + name, value));
    result.put("accuracy", metrics.get("accuracy"));
    ProcessMemory.now()
        .peakRssBytes()
        .ifPresent(bytes -> result.put("peak_rss_mb", bytes / 1024.0 / 1024.0));
    summary
        .memory()
        .gpu()
        .ifPresent(gpu -> result.put("peak_gpu_mb", gpu.peakBytes() / 1024.0 / 1024.0));
    JsonOutput.report(result, output);
  }
}
