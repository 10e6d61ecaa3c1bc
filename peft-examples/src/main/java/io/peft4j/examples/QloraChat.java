package io.peft4j.examples;

import com.fasterxml.jackson.databind.JsonNode;
import io.peft4j.adapter.AdaptedModel;
import io.peft4j.adapter.lora.LoraConfig;
import io.peft4j.adapter.target.ModuleSelector;
import io.peft4j.cli.AppliesTo;
import io.peft4j.cli.OutputFolder;
import io.peft4j.data.CausalDataset;
import io.peft4j.data.CausalExample;
import io.peft4j.generate.GenerationConfig;
import io.peft4j.model.CausalLm;
import io.peft4j.model.load.LoadOptions;
import io.peft4j.quant.QuantType;
import io.peft4j.quant.QuantizationConfig;
import io.peft4j.quant.projection.QuantizedFormat;
import io.peft4j.text.CausalTokenizer;
import io.peft4j.torch.Precision;
import io.peft4j.train.CausalSet;
import io.peft4j.train.TrainingArguments;
import io.peft4j.train.TrainingArguments.GradientCheckpointing;
import io.peft4j.train.report.ProcessMemory;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.stream.IntStream;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/**
 * Practice project 2, {@code chat}: teaches a language model whose weights are kept in 4 bits to
 * follow instructions (QLoRA), and says what memory that was expected to take and took.
 *
 * <p>{@link #call} is the whole story.
 */
@Command(
    name = "chat",
    description = "Practice project: instruction tuning on a base in 4 bits, with its memory.",
    mixinStandardHelpOptions = true,
    showDefaultValues = true)
public final class QloraChat extends LanguageModelProject {

  private static final String TASKS = "java_tasks.jsonl";

  /** One of so many tasks is held out. */
  private static final int HELD_OUT = 7;

  @AppliesTo(unless = "--plan")
  @Option(
      names = "--model",
      paramLabel = "DIR|ID",
      defaultValue = "code-lm/base",
      description = "A causal language model; the default is what 'peft code' makes.")
  private String model;

  @AppliesTo(unless = "--plan")
  @Option(
      names = "--data",
      paramLabel = "FILE",
      description =
          "Instructions, as for 'peft train --task causal-lm'; default: small Java tasks.")
  private Path data;

  @AppliesTo(unless = "--plan")
  @Option(
      names = "--output",
      paramLabel = "DIR",
      defaultValue = "qlora-chat",
      description = "Where adapter and metrics go.")
  private Path output;

  @AppliesTo(unless = "--plan")
  @Option(
      names = "--overwrite",
      description = "Replace a result in --output; it is kept until the new one is whole.")
  private boolean overwrite;

  /** Where they are made. */
  private OutputFolder result;

  @Option(names = "--quantization", defaultValue = "nf4", description = "nf4, fp4 or int8.")
  private String quantization;

  @Option(names = "--rank", defaultValue = "32", description = "Rank r of the update; alpha is r.")
  private int rank;

  @AppliesTo(unless = "--plan")
  @Option(names = "--steps", defaultValue = "150", description = "Updates.")
  private int steps;

  @AppliesTo(unless = "--plan")
  @Option(names = "--batch-size", defaultValue = "8", description = "Examples in an update.")
  private int batchSize;

  @AppliesTo(unless = "--plan")
  @Option(names = "--max-length", defaultValue = "256", description = "Tokens of an example.")
  private int maxLength;

  @AppliesTo(unless = "--plan")
  @Option(names = "--learning-rate", defaultValue = "2e-3", description = "The highest.")
  private double learningRate;

  @AppliesTo(unless = "--plan")
  @Option(names = "--gradient-checkpointing", description = "Run layers again to save memory.")
  private boolean recompute;

  @AppliesTo(unless = "--plan")
  @Option(names = "--seed", defaultValue = "42", description = "Of factors and order.")
  private long seed;

  @Option(names = "--plan", description = "Only print what Llamas of 7 B to 70 B would take.")
  private boolean plan;

  public static void main(String[] arguments) {
    System.exit(commandLine().execute(arguments));
  }

  static CommandLine commandLine() {
    return commandLine(new QloraChat());
  }

  @Override
  public Integer call() throws IOException {
    QuantType type = QuantType.of(quantization);
    QuantizationConfig config = QuantizationConfig.of(type).withDoubleQuant(type.is4Bit());
    if (plan) {
      say("%s", MemoryPlan.table(config, rank));
      return 0;
    }
    Path folder = locate();
    try (OutputFolder opened = OutputFolder.open(output, overwrite, folder)) {
      result = opened;
      return tune(folder, config);
    }
  }

  private int tune(Path folder, QuantizationConfig config) throws IOException {
    LoadOptions options =
        LoadOptions.DEFAULT
            .withPrecision(Precision.BFLOAT16)
            .withFormat(QuantizedFormat.of(config));
    measure("before loading");
    try (CausalLm lm = CausalLm.load(folder, options);
        CausalTokenizer tokenizer = CausalTokenizer.of(folder, lm.model());
        AdaptedModel adapted = new AdaptedModel(lm.model())) {
      measure("with the base in " + QuantType.of(quantization).id());
      CausalDataset tasks =
          CausalDataset.read(data == null ? bundled(output) : data, StandardCharsets.UTF_8);
      if (tasks.size() < HELD_OUT) {
        throw new IllegalArgumentException(
            tasks.source() + ": expected " + HELD_OUT + " tasks or more, found " + tasks.size());
      }
      CausalSet train = CausalSet.of(part(tasks, false), tokenizer, lm.model(), maxLength);
      CausalSet heldOut = CausalSet.of(part(tasks, true), tokenizer, lm.model(), maxLength);
      List<String> prompts = prompts(part(tasks, true));
      double before = perplexity(heldOut, lm);
      say("%d tasks to learn, %d held out", train.size(), heldOut.size());
      say("answers of the base to what is held out:");
      answer(lm, tokenizer, folder, prompts);

      // as the trainer would choose; the plan counts a workspace for each
      int workers = lm.model().passesMayOverlap() ? 2 : 1;
      MemoryPlan memory = expected(lm, config, workers);
      say("%nexpected: %s", memory);
      ProcessMemory.now()
          .rssBytes()
          .ifPresent(
              now ->
                  say(
                      "expected peak memory: %d MB, %d more of Java heap at most (see -Xmx)",
                      (now + memory.added()) / 1_000_000, ProcessMemory.heapToCome() / 1_000_000));
      LoraConfig lora =
          LoraConfig.builder()
              .r(rank)
              .loraAlpha(rank)
              .targetModules(ModuleSelector.allLinear())
              .taskType("CAUSAL_LM")
              .baseModel(folder.toString())
              .build();
      adapted.add("chat", lora, seed);
      train(adapted, train, workers);
      measure("after training");

      double after = perplexity(heldOut, lm);
      say("%nperplexity of the held-out answers: %.2f, before %.2f", after, before);
      say("answers with the adapter:");
      answer(lm, tokenizer, folder, prompts);
      say("%nadapter: %s", output);
      return after < before ? 0 : 1;
    }
  }

  private Path locate() throws IOException {
    if (model.equals("code-lm/base") && !Files.isDirectory(Path.of(model))) {
      throw new IOException(
          "there is no code-lm/base yet: run 'peft code' first, which makes it, or name a --model");
    }
    return locate(model);
  }

  /** {@return the bundled tasks, as a file in {@code folder}} */
  static Path bundled(Path folder) throws IOException {
    Path file = Files.createDirectories(folder).resolve(TASKS);
    try (InputStream in = QloraChat.class.getResourceAsStream(TASKS)) {
      Files.copy(in, file, StandardCopyOption.REPLACE_EXISTING);
    }
    return file;
  }

  private void train(AdaptedModel adapted, CausalSet train, int workers) throws IOException {
    TrainingArguments arguments =
        TrainingArguments.builder()
            .maxSteps(steps)
            .perDeviceTrainBatchSize(batchSize)
            .learningRate(learningRate)
            .warmupRatio(0.05)
            .workers(workers)
            .gradientCheckpointing(recompute ? GradientCheckpointing.ON : GradientCheckpointing.OFF)
            .seed(seed)
            .build();
    train(adapted, "chat", arguments, train, result.path());
    result.done();
  }

  private MemoryPlan expected(CausalLm lm, QuantizationConfig config, int workers) {
    JsonNode json = lm.model().config().json();
    long hidden = json.path("hidden_size").asLong();
    long heads = json.path("num_attention_heads").asLong();
    long width = json.path("head_dim").asLong(hidden / heads);
    MemoryPlan.Shape shape =
        new MemoryPlan.Shape(
            json.path("num_hidden_layers").asLong(),
            hidden,
            width * json.path("num_key_value_heads").asLong(heads),
            json.path("intermediate_size").asLong(),
            json.path("vocab_size").asLong());
    return MemoryPlan.of(shape, config, rank, (long) batchSize * maxLength, recompute, workers);
  }

  private static CausalDataset part(CausalDataset tasks, boolean heldOut) {
    List<CausalExample> all = tasks.examples();
    return new CausalDataset(
        tasks.source(),
        IntStream.range(0, all.size())
            .filter(i -> ((i + 1) % HELD_OUT == 0) == heldOut)
            .mapToObj(all::get)
            .toList());
  }

  /** The first few tasks, without their answers. */
  private static List<String> prompts(CausalDataset tasks) {
    return tasks.examples().stream()
        .map(
            example ->
                example instanceof CausalExample.Completion completion
                    ? completion.prompt()
                    : example instanceof CausalExample.Instruction task
                        ? task.instruction() + "\n" + task.input()
                        : "")
        .filter(prompt -> !prompt.isBlank())
        .limit(3)
        .toList();
  }

  private void answer(CausalLm lm, CausalTokenizer tokenizer, Path folder, List<String> prompts)
      throws IOException {
    GenerationConfig config = GenerationConfig.of(folder).withoutSampling().withMaxNewTokens(48);
    sayContinuations(lm, tokenizer, prompts, config);
  }

  private void measure(String when) {
    ProcessMemory memory = ProcessMemory.now();
    memory.peakRssBytes().ifPresent(peak -> say("%s: peak memory %d MB", when, peak / 1_000_000));
  }
}
