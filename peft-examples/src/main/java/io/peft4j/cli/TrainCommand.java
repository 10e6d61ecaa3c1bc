package io.peft4j.cli;

import io.peft4j.adapter.AdaptedModel;
import io.peft4j.adapter.AdapterMix;
import io.peft4j.data.Splits;
import io.peft4j.data.TextDataset;
import io.peft4j.data.Truncation;
import io.peft4j.model.CausalLm;
import io.peft4j.model.HeadIdentity;
import io.peft4j.model.Model;
import io.peft4j.model.load.LoadOptions;
import io.peft4j.text.CausalTokenizer;
import io.peft4j.text.TextTokenizer;
import io.peft4j.text.TokenizerFolders;
import io.peft4j.train.CausalSet;
import io.peft4j.train.ClassificationSet;
import io.peft4j.train.EvaluationSet;
import io.peft4j.train.Trainer;
import io.peft4j.train.TrainingArguments;
import io.peft4j.train.TrainingSet;
import io.peft4j.train.report.MetricsJsonLines;
import io.peft4j.train.report.RunSummary;
import io.peft4j.train.report.TensorBoardWriter;
import io.peft4j.train.report.TrainingListener;
import java.io.IOException;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.function.Function;
import picocli.CommandLine.Command;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.TypeConversionException;

/** {@code peft train}: fits an adapter to labelled texts, or to what a language model is to say. */
@Command(
    name = "train",
    description = "Train an adapter; the base model's files are only read.",
    mixinStandardHelpOptions = true,
    customSynopsis = "peft train --model DIR|ID --data FILE --output DIR [OPTIONS]",
    sortOptions = false,
    footerHeading = "%nExample:%n",
    footer = {
      "  peft train --model minilm --data reviews.tsv --output reviews-lora \\",
      "    --method lora --r 8 --target-modules query,value --num-train-epochs 3"
    })
final class TrainCommand implements Callable<Integer> {

  /** What to learn. */
  enum TaskName {
    SEQ_CLS("seq-cls"),
    CAUSAL_LM("causal-lm");

    private final String name;

    TaskName(String name) {
      this.name = name;
    }

    @Override
    public String toString() {
      return name;
    }
  }

  @Mixin private ModelOptions model;

  @Mixin private DataOptions data;

  @Option(names = "--output", required = true, description = "Folder for adapter and reports.")
  private Path output;

  @Option(
      names = "--overwrite",
      description = "Replace a result in --output; it is kept until the new one is whole.")
  private boolean overwrite;

  @Option(
      names = "--task",
      defaultValue = "seq-cls",
      converter = TaskConverter.class,
      description = "seq-cls or causal-lm. Default: ${DEFAULT-VALUE}.")
  private TaskName task;

  @Mixin private MethodOptions method;

  @Mixin private TrainingOptions training;

  @Option(names = "--json", description = "Print JSON lines instead of a progress bar.")
  private boolean json;

  @Option(names = "--config", description = "YAML file with options; flags override it.")
  private Path config;

  /** Where the result is made. */
  private OutputFolder run;

  /** Reads {@link TaskName} by the names users see. */
  static final class TaskConverter implements ITypeConverter<TaskName> {
    @Override
    public TaskName convert(String value) {
      for (TaskName task : TaskName.values()) {
        if (task.name.equalsIgnoreCase(value) || task.name().equalsIgnoreCase(value)) {
          return task;
        }
      }
      throw new TypeConversionException(
          "expected one of " + List.of(TaskName.values()) + ", found '" + value + "'");
    }
  }

  @Override
  public Integer call() throws IOException {
    // Before anything is read or made: what would do nothing, or cannot be.
    method.configs(task.name(), model.name());
    training.arguments(data.holdsOut());
    Path folder = model.locate();
    try (OutputFolder opened = OutputFolder.open(output, overwrite, training.resume(), folder)) {
      run = opened;
      train(folder);
    }
    if (!json) {
      System.out.println("saved in " + output);
    }
    return 0;
  }

  private void train(Path folder) throws IOException {
    if (training.resume() && !run.hasCheckpoint()) {
      System.err.println(
          "--resume: no checkpoint in " + run.path() + ", starting from the beginning");
    }
    if (task == TaskName.CAUSAL_LM) {
      trainLanguageModel(folder);
    } else {
      trainClassifier(folder);
    }
    run.done();
  }

  /**
   * What there is to train on.
   *
   * @param about more of it, for people
   */
  private record Sets(
      TrainingSet train, EvaluationSet heldOut, int heldOutSize, Truncation cut, String about) {}

  private void trainClassifier(Path folder) throws IOException {
    TextDataset texts = data.texts(HeadIdentity.read(folder));
    LoadOptions options =
        data.headFor(texts, model.loadOptions(method.qlora())).withSeed(training.seed());
    try (Model base = Model.load(folder, options);
        AdaptedModel adapted = new AdaptedModel(base);
        Lazy<TextTokenizer> words = new Lazy<>(() -> TextTokenizer.of(folder, base))) {
      Splits.Split split = data.split(texts.withLabels(base.labels()), training.seed());
      AdapterMix mix = add(adapted, text -> ids(words, text));
      // Only now: what stands before the text leaves it less room.
      try (TextTokenizer tokenizer =
          ColumnOptions.tokenizer(TokenizerFolders.of(folder), base, data.maxLength())) {
        trainClassifier(split, tokenizer, adapted, mix, folder);
      }
    }
  }

  private static int[] ids(Lazy<TextTokenizer> words, String text) {
    try {
      return words.get().encode(text).ids();
    } catch (IOException e) {
      throw new UncheckedIOException(e.getMessage(), e);
    }
  }

  private AdapterMix add(AdaptedModel adapted, Function<String, int[]> tokenizer)
      throws IOException {
    return AdapterMix.add(
        adapted, method.configs(task.name(), model.name()), training.seed(), tokenizer);
  }

  private void trainClassifier(
      Splits.Split split,
      TextTokenizer tokenizer,
      AdaptedModel adapted,
      AdapterMix mix,
      Path folder)
      throws IOException {
    Model base = adapted.model();
    ClassificationSet train = ClassificationSet.of(split.train(), tokenizer, base);
    ClassificationSet heldOut =
        split.heldOut() == null ? null : ClassificationSet.of(split.heldOut(), tokenizer, base);
    Truncation cut = train.truncation();
    run(
        adapted,
        mix,
        folder,
        new Sets(
            train,
            heldOut,
            heldOut == null ? 0 : heldOut.size(),
            heldOut == null ? cut : cut.plus(heldOut.truncation()),
            "labels " + base.labels()));
    if (!method.full()) {
      base.config().write(run.path());
    }
  }

  private void trainLanguageModel(Path folder) throws IOException {
    try (CausalLm lm = CausalLm.load(folder, model.loadOptions(method.qlora()));
        AdaptedModel adapted = new AdaptedModel(lm.model());
        CausalTokenizer tokenizer = CausalTokenizer.of(folder, lm.model())) {
      AdapterMix mix = add(adapted, tokenizer::encode);
      CausalSet.Split split = data.causal(tokenizer, lm.model(), training.seed());
      CausalSet train = split.train();
      CausalSet heldOut = split.heldOut();
      boolean other = heldOut != null && heldOut.truncation() != train.truncation();
      run(
          adapted,
          mix,
          folder,
          new Sets(
              train,
              heldOut,
              heldOut == null ? 0 : heldOut.size(),
              other ? train.truncation().plus(heldOut.truncation()) : train.truncation(),
              String.format(
                  Locale.ROOT,
                  "%,d tokens to train on, %,d of them to learn",
                  train.tokens(),
                  train.labels())));
    }
  }

  private void run(AdaptedModel adapted, AdapterMix mix, Path folder, Sets sets)
      throws IOException {
    TrainingArguments arguments = training.arguments(sets.heldOut() != null);
    say(sets, mix);
    RunSummary summary = train(adapted, mix, arguments, sets);
    TokenizerFolders tokenizer = TokenizerFolders.of(folder);
    if (method.full()) {
      TokenizerFiles.copy(tokenizer, folder, run.path());
    } else {
      tokenizer.copy(run.path()); // as Trainer and TRL do, so that the adapter brings its template
    }
    report(summary, sets, adapted.model());
  }

  private RunSummary train(
      AdaptedModel adapted, AdapterMix mix, TrainingArguments arguments, Sets sets)
      throws IOException {
    List<TrainingListener> listeners = new ArrayList<>();
    listeners.add(json ? new JsonEvents(System.out) : ProgressBarListener.forConsole(20));
    listeners.add(new MetricsJsonLines(run.path().resolve("metrics.jsonl")));
    listeners.add(new TensorBoardWriter(run.path().resolve("tensorboard")));
    try (TrainingListener all = TrainingListener.all(listeners)) {
      Map<String, String> base = adapted.baseMetadata();
      Trainer trainer =
          new Trainer(adapted, mix, arguments, sets.train(), sets.heldOut(), all, run.path(), base);
      return CleanExit.train(trainer, training.resume());
    }
  }

  private void say(Sets sets, AdapterMix mix) throws IOException {
    if (json) {
      new JsonEvents(System.out).data(sets.train().size(), sets.heldOutSize(), sets.cut());
      return;
    }
    System.err.printf(
        Locale.ROOT,
        "%d examples to train on, %d held out; %s%n",
        sets.train().size(),
        sets.heldOutSize(),
        sets.about());
    if (sets.cut().any()) {
      System.err.println("--max-length " + sets.cut().summary());
    }
    mix.adapters()
        .values()
        .forEach(
            adapter ->
                System.err.printf(
                    Locale.ROOT,
                    "%s on %d modules: %,d trained parameters%n",
                    adapter.config().peftType(),
                    adapter.targets().size(),
                    adapter.parameterCount()));
  }

  private void report(RunSummary summary, Sets sets, Model base) {
    if (json) {
      return;
    }
    PrintStream out = System.out;
    out.printf(
        Locale.ROOT,
        "%d steps in %.1f s, %.1f examples/s, mean loss %.4f%n",
        summary.step(),
        summary.seconds(),
        summary.examplesPerSecond(),
        summary.loss());
    if (sets.heldOut() != null) {
      out.println("held out: " + sets.heldOut().evaluate(base, training.evalBatchSize()));
    }
  }
}
