package io.peft4j.examples;

import io.peft4j.adapter.AdaptedModel;
import io.peft4j.adapter.lora.LoraConfig;
import io.peft4j.adapter.target.ModuleSelector;
import io.peft4j.cli.AppliesTo;
import io.peft4j.cli.OutputFolder;
import io.peft4j.data.CausalDataset;
import io.peft4j.examples.code.JavaSources;
import io.peft4j.generate.GenerationConfig;
import io.peft4j.model.CausalLm;
import io.peft4j.model.load.LoadOptions;
import io.peft4j.text.CausalTokenizer;
import io.peft4j.torch.Precision;
import io.peft4j.train.CausalSet;
import java.io.IOException;
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
        NewCodeModel size =
            new NewCodeModel(vocabulary, layers, hidden, block, batchSize, pretrainSteps, seed);
        pretrain(size, first, output.resolve("initial"), made.path());
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
      adapted.add("new", lora, seed);
      train(adapted, "new", steps(tuneSteps, batchSize, learningRate, seed), train, adapter.path());
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

  private CausalSet set(CausalDataset data, CausalTokenizer tokenizer, CausalLm lm) {
    return CausalSet.of(data, tokenizer, lm.model(), block);
  }

  private void complete(CausalLm lm, CausalTokenizer tokenizer, Path base) throws IOException {
    GenerationConfig config =
        GenerationConfig.of(base).withoutSampling().withMaxNewTokens(32).withRepetitionPenalty(1.1);
    sayContinuations(lm, tokenizer, PROMPTS, config);
  }
}
