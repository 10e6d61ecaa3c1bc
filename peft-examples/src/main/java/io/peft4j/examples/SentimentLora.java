package io.peft4j.examples;

import io.peft4j.adapter.AdaptedModel;
import io.peft4j.adapter.AdapterFiles;
import io.peft4j.adapter.AdapterHead;
import io.peft4j.adapter.lora.LoraConfig;
import io.peft4j.adapter.method.Adapter;
import io.peft4j.adapter.target.ModuleSelector;
import io.peft4j.cli.AppliesTo;
import io.peft4j.cli.CleanExit;
import io.peft4j.cli.OutputFolder;
import io.peft4j.cli.ProgressBarListener;
import io.peft4j.cli.importer.EmbeddedModel;
import io.peft4j.data.Example;
import io.peft4j.data.Splits;
import io.peft4j.data.Task;
import io.peft4j.data.TextDataset;
import io.peft4j.data.TextFormat;
import io.peft4j.data.TextReader;
import io.peft4j.eval.Metrics;
import io.peft4j.examples.chart.CurveChart;
import io.peft4j.model.Model;
import io.peft4j.model.batch.TokenBatch;
import io.peft4j.model.batch.TokenSequence;
import io.peft4j.model.load.LoadOptions;
import io.peft4j.text.TextTokenizer;
import io.peft4j.text.Tokens;
import io.peft4j.torch.Precision;
import io.peft4j.train.ClassificationSet;
import io.peft4j.train.Trainer;
import io.peft4j.train.TrainingArguments;
import io.peft4j.train.TrainingArguments.When;
import io.peft4j.train.report.MetricsJsonLines;
import io.peft4j.train.report.TrainingListener;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/**
 * Practice project 1, {@code sentiment}: teaches a pretrained encoder to tell good reviews of
 * medical devices from bad ones, by LoRA on its attention, in a minute or two of two processor
 * cores.
 *
 * <p>{@link #call} is the whole story: data, model, adapter, training, saving, loading again.
 */
@Command(
    name = "sentiment",
    description = "Practice project: LoRA on a small encoder and bundled medical device reviews.",
    mixinStandardHelpOptions = true,
    showDefaultValues = true)
public final class SentimentLora extends PracticeProject {

  private static final String REVIEWS = "medical_device_reviews.tsv";

  /** What is classified in the end, by nobody's review. */
  private static final List<String> SENTENCES =
      List.of(
          "The pump has run for eight months on the ward without a single false alarm.",
          "Cuff readings jump by thirty points between one minute and the next.",
          "Stopped syncing the morning after the warranty ran out.");

  /** The queries, keys and values of BERT-like models, and of DistilBERT. */
  static final String ATTENTION = ".*\\.(query|key|value|[qkv]_lin)";

  private static final String ADAPTER = "sentiment";

  @Option(
      names = "--data",
      paramLabel = "FILE",
      description = "Labelled texts (.csv, .tsv, .jsonl) instead of the bundled reviews.")
  private Path data;

  @Option(
      names = "--model",
      paramLabel = "MODEL",
      description =
          "Folder or hub id of a BERT, RoBERTa or DistilBERT instead of the bundled MiniLM.")
  private String model;

  @AppliesTo(unless = "--model")
  @Option(
      names = "--cache",
      paramLabel = "DIR",
      defaultValue = "${sys:user.home}/.cache/peft4j",
      description = "Where the bundled model is unpacked.")
  private Path cache;

  @Option(
      names = "--output",
      paramLabel = "DIR",
      defaultValue = "sentiment-lora",
      description = "Where adapter, metrics and picture go.")
  private Path output;

  @Option(
      names = "--overwrite",
      description = "Replace a result in --output; it is kept until the new one is whole.")
  private boolean overwrite;

  /** Where they are made. */
  private OutputFolder result;

  @Option(names = "--held-out", defaultValue = "0.25", description = "Share not trained on.")
  private double heldOutShare;

  @Option(names = "--epochs", defaultValue = "6", description = "Passes over the data.")
  private double epochs;

  @Option(names = "--batch-size", defaultValue = "16", description = "Examples in a step.")
  private int batchSize;

  @Option(names = "--learning-rate", defaultValue = "2e-3", description = "At its peak.")
  private double learningRate;

  @Option(names = "--rank", defaultValue = "8", description = "Rank r of the update; alpha is 2r.")
  private int rank;

  @Option(names = "--seed", defaultValue = "42", description = "Of split, start and order.")
  private long seed;

  @Option(names = "--bf16", description = "Compute in bfloat16.")
  private boolean bf16;

  public static void main(String[] arguments) {
    System.exit(commandLine().execute(arguments));
  }

  static CommandLine commandLine() {
    return commandLine(new SentimentLora());
  }

  @Override
  public Integer call() throws IOException {
    try (OutputFolder opened = OutputFolder.open(output, overwrite)) {
      result = opened;
      return trainAndReload();
    }
  }

  private int trainAndReload() throws IOException {
    TextDataset all =
        data == null ? bundled() : TextDataset.read(data, TextFormat.DEFAULT, Task.SINGLE_LABEL);
    Splits.Split split = Splits.stratified(all, heldOutShare, seed);
    Path folder = model == null ? EmbeddedModel.MINILM_L6.materialize(cache) : locate(model);
    LoadOptions options =
        LoadOptions.DEFAULT
            .withPrecision(bf16 ? Precision.BFLOAT16 : Precision.FLOAT32)
            .withHead(Task.SINGLE_LABEL, all.labelNames())
            .withSeed(seed);

    float[][] logits;
    List<String> sentences = data == null ? SENTENCES : firstTexts(split.heldOut());
    try (Model base = Model.load(folder, options);
        TextTokenizer tokenizer = TextTokenizer.of(folder, base);
        AdaptedModel adapted = new AdaptedModel(base)) {
      ClassificationSet heldOut = ClassificationSet.of(split.heldOut(), tokenizer, base);
      double before = accuracy(heldOut, base);
      say(
          "%,d examples to train on, %,d held out; labels %s",
          split.train().size(), split.heldOut().size(), base.labels());
      say("accuracy before: %.3f (the classifier on top is new and knows nothing yet)", before);

      Adapter adapter = adapted.add(ADAPTER, lora(), seed);
      EpochLog log = train(adapted, ClassificationSet.of(split.train(), tokenizer, base), heldOut);
      say("%nepoch  training loss  validation loss  accuracy");
      for (EpochLog.Epoch epoch : log.epochs()) {
        say(
            "%5d  %13.4f  %15.4f  %8.3f",
            epoch.epoch(), epoch.trainingLoss(), epoch.validationLoss(), epoch.accuracy());
      }
      say("%naccuracy after: %.3f, before: %.3f", accuracy(heldOut, base), before);
      report(adapter, base);
      logits = logits(sentences, base, tokenizer);
    }
    return reloadAndClassify(folder, options, sentences, logits);
  }

  private LoraConfig lora() {
    return LoraConfig.builder()
        .r(rank)
        .loraAlpha(2 * rank)
        .loraDropout(0.05)
        .targetModules(ModuleSelector.regex(ATTENTION))
        .taskType("SEQ_CLS")
        .baseModel(model == null ? "sentence-transformers/all-MiniLM-L6-v2" : model)
        .build();
  }

  private EpochLog train(AdaptedModel adapted, ClassificationSet train, ClassificationSet heldOut)
      throws IOException {
    TrainingArguments arguments =
        TrainingArguments.builder()
            .numTrainEpochs(epochs)
            .perDeviceTrainBatchSize(batchSize)
            .perDeviceEvalBatchSize(64)
            .learningRate(learningRate)
            .warmupRatio(0.06)
            .evalStrategy(When.EPOCH)
            .seed(seed)
            .build();
    Map<String, String> metadata = adapted.baseMetadata();
    EpochLog log = new EpochLog();
    CurveChart chart = new CurveChart("Sentiment of medical device reviews, LoRA rank " + rank);
    MetricsJsonLines metrics = new MetricsJsonLines(result.path().resolve("metrics.jsonl"));
    try (TrainingListener listener =
        TrainingListener.all(List.of(ProgressBarListener.forConsole(10), metrics, chart, log))) {
      Trainer trainer =
          new Trainer(
              adapted, ADAPTER, arguments, train, heldOut, listener, result.path(), metadata);
      CleanExit.train(trainer, false);
    }
    // the names of the labels, which an adapter's own files have no place for
    adapted.model().config().write(result.path());
    chart.write(result.path().resolve("curves.png"));
    result.done();
    return log;
  }

  private void report(Adapter adapter, Model base) throws IOException {
    long trained = adapter.parameterCount();
    long frozen =
        base.modules().parameters().stream().mapToLong(parameter -> parameter.shape().size()).sum();
    say(
        "parameters trained: %,d of %,d (%.2f %%)",
        trained, trained + frozen, 100.0 * trained / (trained + frozen));
    Path weights = output.resolve(AdapterFiles.WEIGHTS);
    say("adapter: %s, %,d bytes", weights, Files.size(weights));
    say("curves: %s", output.resolve("curves.png"));
  }

  /** A fresh base and the adapter from its files must say what the trained model said. */
  private int reloadAndClassify(
      Path folder, LoadOptions options, List<String> sentences, float[][] expected)
      throws IOException {
    try (Model base = Model.load(folder, AdapterHead.of(folder, output, options));
        TextTokenizer tokenizer = TextTokenizer.of(folder, base);
        AdaptedModel adapted = new AdaptedModel(base)) {
      adapted.load(ADAPTER, output);
      float[][] logits = logits(sentences, base, tokenizer);
      boolean same = Arrays.deepEquals(expected, logits);
      say("reloaded from its files, the adapter gives %s logits%n", same ? "the same" : "OTHER");
      for (int i = 0; i < logits.length; i++) {
        double[] probabilities = base.task().probabilities(logits[i]);
        int best = Metrics.argmax(logits[i]);
        say("%-8s %.3f  %s", base.labels().name(best), probabilities[best], sentences.get(i));
      }
      return same ? 0 : 1;
    }
  }

  static TextDataset bundled() throws IOException {
    Path file = Files.createTempFile("reviews", ".tsv");
    try (InputStream in = SentimentLora.class.getResourceAsStream(REVIEWS)) {
      Files.copy(in, file, StandardCopyOption.REPLACE_EXISTING);
      return TextDataset.of(REVIEWS, TextReader.read(file, TextFormat.DEFAULT), Task.SINGLE_LABEL);
    } finally {
      Files.delete(file);
    }
  }

  private static List<String> firstTexts(TextDataset dataset) {
    return dataset.examples().stream().limit(3).map(Example::text).toList();
  }

  private static double accuracy(ClassificationSet set, Model model) {
    return set.evaluate(model, 64).get("accuracy");
  }

  private static float[][] logits(List<String> texts, Model model, TextTokenizer tokenizer) {
    List<TokenSequence> sequences = new ArrayList<>();
    for (String text : texts) {
      Tokens tokens = tokenizer.encode(text);
      sequences.add(model.sequence(tokens.ids(), tokens.types()));
    }
    try (TokenBatch batch = model.batch(sequences)) {
      return model.logits(batch);
    }
  }
}
