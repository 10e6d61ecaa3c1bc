package io.peft4j.examples;

import io.peft4j.adapter.AdaptedModel;
import io.peft4j.adapter.lora.LoraConfig;
import io.peft4j.adapter.method.AdapterConfig;
import io.peft4j.adapter.select.FullConfig;
import io.peft4j.adapter.target.ModuleSelector;
import io.peft4j.cli.AppliesTo;
import io.peft4j.cli.OutputFolder;
import io.peft4j.data.CausalDataset;
import io.peft4j.data.CausalExample;
import io.peft4j.examples.code.ByteLevelBpe;
import io.peft4j.examples.code.JavaSources;
import io.peft4j.examples.code.NewLlama;
import io.peft4j.generate.GenerationConfig;
import io.peft4j.io.AtomicFiles;
import io.peft4j.model.CausalLm;
import io.peft4j.model.Fingerprint;
import io.peft4j.model.load.LoadOptions;
import io.peft4j.safetensors.Checkpoint;
import io.peft4j.text.CausalTokenizer;
import io.peft4j.torch.Precision;
import io.peft4j.train.CausalSet;
import io.peft4j.train.Schedule;
import io.peft4j.train.TrainingArguments;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/**
 * Practice project 2, {@code code}: makes a small language model of Java from nothing but a
 * library's sources, then tunes it to another library by LoRA, in under ten minutes of two
 * processor cores. With {@code --model} it tunes a model that is there already.
 *
 * <p>{@link #call} is the whole story.
 */
@Command(
    name = "code",
    description =
        "Practice project: pretrain a small model of Java, tune it to a library, complete code.",
    mixinStandardHelpOptions = true,
    showDefaultValues = true)
public final class CodeLm extends LanguageModelProject {

  private static final List<String> PROMPTS =
      List.of(
          "    public static boolean isEmpty(final CharSequence cs) {\n        return",
          "    public Element appendElement(String tagName) {",
          "        for (int i = 0; i <");

  @Option(
      names = "--model",
      paramLabel = "DIR|ID",
      description = "A causal language model to tune, instead of pretraining one.")
  private String model;

  @Option(
      names = "--tune",
      paramLabel = "PATH",
      description = "A sources jar or folder to tune to, instead of jsoup's.")
  private Path tune;

  @Option(
      names = "--output",
      paramLabel = "DIR",
      defaultValue = "code-lm",
      description = "Where base and adapter go.")
  private Path output;

  @Option(
      names = "--overwrite",
      description = "Replace a result in --output; it is kept until the new one is whole.")
  private boolean overwrite;

  @AppliesTo(unless = "--model")
  @Option(names = "--vocabulary", defaultValue = "2048", description = "Tokens of the new model.")
  private int vocabulary;

  @AppliesTo(unless = "--model")
  @Option(names = "--layers", defaultValue = "4", description = "Of the new model.")
  private int layers;

  @AppliesTo(unless = "--model")
  @Option(names = "--hidden", defaultValue = "192", description = "Width of the new model.")
  private int hidden;

  @Option(names = "--block", defaultValue = "256", description = "Tokens of a training example.")
  private int block;

  @Option(names = "--batch-size", defaultValue = "4", description = "Examples in a step.")
  private int batchSize;

  @AppliesTo(unless = "--model")
  @Option(names = "--pretrain-steps", defaultValue = "1000", description = "For the new model.")
  private int pretrainSteps;

  @Option(names = "--tune-steps", defaultValue = "250", description = "For the adapter.")
  private int tuneSteps;

  @Option(names = "--rank", defaultValue = "16", description = "Rank r of the update; alpha is 2r.")
  private int rank;

  @Option(names = "--learning-rate", defaultValue = "3e-3", description = "Of the adapter.")
  private double learningRate;

  @Option(
      names = "--eval-examples",
      defaultValue = "512",
      description = "At most so many held-out blocks of each library tell the perplexity.")
  private int evalExamples;

  @Option(names = "--seed", defaultValue = "42", description = "Of weights and order.")
  private long seed;

  @Option(names = "--bf16", description = "Tune in bfloat16.")
  private boolean bf16;

  public static void main(String[] arguments) {
    System.exit(commandLine().execute(arguments));
  }

  static CommandLine commandLine() {
    return commandLine(new CodeLm());
  }

  @Override
  public Integer call() throws IOException {
    JavaSources first =
        JavaSources.onClassPath("commons-lang3", "org/apache/commons/lang3/StringUtils.java");
    JavaSources second =
        tune == null
            ? JavaSources.onClassPath("jsoup", "org/jsoup/Jsoup.java")
            : JavaSources.read(tune);
    try (OutputFolder adapter = OutputFolder.open(output.resolve("adapter"), overwrite)) {
      return run(first, second, adapter);
    }
  }

  private int run(JavaSources first, JavaSources second, OutputFolder adapter) throws IOException {
    Path base = model == null ? output.resolve("base") : locate(model);
    if (model == null) {
      try (OutputFolder made = OutputFolder.open(base, overwrite)) {
        pretrain(first, made.path());
        made.done();
      }
    }

    String fingerprint = fingerprint(base);
    LoadOptions options =
        LoadOptions.DEFAULT.withPrecision(bf16 ? Precision.BFLOAT16 : Precision.FLOAT32);
    try (CausalLm lm = CausalLm.load(base, options);
        CausalTokenizer tokenizer = CausalTokenizer.of(base, lm.model());
        AdaptedModel adapted = new AdaptedModel(lm.model())) {
      CausalSet secondHeldOut = set(second.heldOut(), tokenizer, lm).sample(evalExamples, seed);
      CausalSet firstHeldOut = set(first.heldOut(), tokenizer, lm).sample(evalExamples, seed);
      double before = perplexity(secondHeldOut, lm);
      double other = perplexity(firstHeldOut, lm);
      say(
          "%nperplexity before: %s %.2f (%,d tokens), %s %.2f (%,d tokens)",
          second.name(),
          before,
          secondHeldOut.labels(),
          first.name(),
          other,
          firstHeldOut.labels());
      say("completions by the base:");
      complete(lm, tokenizer, base);

      LoraConfig lora =
          LoraConfig.builder()
              .r(rank)
              .loraAlpha(2 * rank)
              .targetModules(ModuleSelector.allLinear())
              .taskType("CAUSAL_LM")
              .baseModel(base.toString())
              .build();
      CausalSet train = set(second.train(), tokenizer, lm);
      say(
          "%ntuning to %s: %,d files, %,d tokens",
          second.name(), second.files().size(), train.tokens());
      train(adapted, lora, train, tuneSteps, learningRate, adapter.path());
      adapter.done();
      double after = perplexity(secondHeldOut, lm);
      say(
          "perplexity after: %s %.2f (before %.2f), %s %.2f",
          second.name(), after, before, first.name(), perplexity(firstHeldOut, lm));
      say("completions with the adapter:");
      complete(lm, tokenizer, base);

      adapted.activate();
      double bare = perplexity(secondHeldOut, lm);
      boolean same = bare == before && fingerprint(base).equals(fingerprint);
      say(
          "%nwithout the adapter the base is %s: perplexity %.2f, SHA-256 %s…",
          same ? "what it was" : "CHANGED", bare, fingerprint.substring(0, 16));
      say("base: %s, adapter: %s", base, output.resolve("adapter"));
      return same && after < before ? 0 : 1;
    }
  }

  /** A new tokenizer and a new model, of which every weight is trained. */
  private void pretrain(JavaSources sources, Path base) throws IOException {
    List<String> texts =
        sources.train().examples().stream()
            .map(example -> ((CausalExample.Text) example).text())
            .toList();
    long start = System.nanoTime();
    ByteLevelBpe bpe = ByteLevelBpe.train(texts, vocabulary);
    say(
        "%s: %,d files, %,d characters; %,d tokens learnt in %.1f s",
        sources.name(),
        sources.files().size(),
        sources.characters(),
        bpe.size(),
        (System.nanoTime() - start) / 1e9);
    int heads = Math.max(2, hidden / 48);
    NewLlama shape =
        new NewLlama(bpe.size(), layers, hidden, heads, heads / 2, hidden * 8 / 3, 2 * block);
    Path random = output.resolve("initial");
    Files.createDirectories(random);
    shape.write(random, seed);
    bpe.write(random);
    try (CausalLm lm = CausalLm.load(random, LoadOptions.DEFAULT);
        CausalTokenizer tokenizer = CausalTokenizer.of(random, lm.model());
        AdaptedModel adapted = new AdaptedModel(lm.model())) {
      CausalSet train = set(sources.train(), tokenizer, lm);
      say("pretraining on %s: %,d tokens", sources.name(), train.tokens());
      train(adapted, new FullConfig(), train, pretrainSteps, 3e-3, base);
    }
    bpe.write(base);
    AtomicFiles.write(
        base.resolve("generation_config.json"),
        AtomicFiles.copyOf(random.resolve("generation_config.json")));
  }

  private CausalSet set(CausalDataset data, CausalTokenizer tokenizer, CausalLm lm) {
    return CausalSet.of(data, tokenizer, lm.model(), block);
  }

  private void train(
      AdaptedModel adapted,
      AdapterConfig config,
      CausalSet train,
      int steps,
      double rate,
      Path folder)
      throws IOException {
    TrainingArguments arguments =
        TrainingArguments.builder()
            .maxSteps(steps)
            .perDeviceTrainBatchSize(batchSize)
            .learningRate(rate)
            .lrSchedulerType(Schedule.COSINE)
            .warmupRatio(0.05)
            .weightDecay(0.01)
            .seed(seed)
            .build();
    adapted.add("new", config, seed);
    train(adapted, "new", arguments, train, folder);
  }

  private static String fingerprint(Path folder) throws IOException {
    try (Checkpoint checkpoint = Checkpoint.open(folder)) {
      return Fingerprint.of(checkpoint);
    }
  }

  private void complete(CausalLm lm, CausalTokenizer tokenizer, Path base) throws IOException {
    GenerationConfig config =
        GenerationConfig.of(base).withoutSampling().withMaxNewTokens(32).withRepetitionPenalty(1.1);
    sayContinuations(lm, tokenizer, PROMPTS, config);
  }
}
