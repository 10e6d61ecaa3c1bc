package io.peft4j.examples;

import io.peft4j.cli.AppliesTo;
import io.peft4j.cli.OutputFolder;
import io.peft4j.cli.importer.EmbeddedModel;
import io.peft4j.data.CausalDataset;
import io.peft4j.data.Example;
import io.peft4j.data.Task;
import io.peft4j.data.TextDataset;
import io.peft4j.data.TextFormat;
import io.peft4j.data.TextReader;
import io.peft4j.examples.DecoderTasks.CausalTask;
import io.peft4j.examples.code.JavaSources;
import io.peft4j.examples.multitask.BaseResult;
import io.peft4j.examples.multitask.JavaPassages;
import io.peft4j.examples.multitask.Report;
import io.peft4j.model.Model;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/**
 * Practice project 3, {@code multitask}: three tasks of one encoder and two of one decoder, each an
 * adapter, served together, beside a fully tuned model for each task: what that costs in quality,
 * memory and latency, in under ten minutes of two processor cores.
 *
 * <p>{@link #call} is the whole story.
 */
@Command(
    name = "multitask",
    description = "Practice project: many tasks on one base, served together, beside a model each.",
    mixinStandardHelpOptions = true,
    showDefaultValues = true)
public final class MultiTask extends LanguageModelProject {

  /** Share of an encoder's rows that is not trained on. */
  static final double HELD_OUT = 0.25;

  /** Tokens of a decoder's example. */
  static final int BLOCK = 128;

  /** One of so many instructions is held out. */
  private static final int EVERY_TASK = 7;

  @Option(
      names = "--encoder",
      paramLabel = "MODEL",
      description =
          "Folder or hub id of a BERT, RoBERTa or DistilBERT instead of the bundled MiniLM.")
  private String encoder;

  @AppliesTo(unless = "--encoder")
  @Option(
      names = "--cache",
      paramLabel = "DIR",
      defaultValue = "${sys:user.home}/.cache/peft4j",
      description = "Where the bundled encoder is unpacked.")
  private Path cache;

  @Option(
      names = "--decoder",
      paramLabel = "DIR|ID",
      description =
          "A causal language model, such as 'peft code' makes, instead of pretraining one.")
  private String decoder;

  @Option(
      names = "--sentiment",
      paramLabel = "FILE",
      description = "Labelled texts (.csv, .tsv, .jsonl) instead of the bundled reviews.")
  private Path sentiment;

  @Option(
      names = "--questions",
      paramLabel = "FILE",
      description =
          "TREC's train_5500.label: kinds of questions, coarse and fine, instead of libraries and"
              + " packages of Java sources.")
  private Path questions;

  @Option(
      names = "--instructions",
      paramLabel = "FILE",
      description =
          "Instructions, as for 'peft train --task causal-lm'; default: small Java tasks.")
  private Path instructions;

  @Option(
      names = "--tune",
      paramLabel = "PATH",
      description = "A sources jar or folder whose code is learnt to complete, instead of jsoup's.")
  private Path tune;

  @Option(
      names = "--output",
      paramLabel = "DIR",
      defaultValue = "multitask",
      description = "Where adapters, models and report go.")
  private Path output;

  @Option(
      names = "--overwrite",
      description = "Replace a result in --output; it is kept until the new one is whole.")
  private boolean overwrite;

  @Option(
      names = "--rows",
      defaultValue = "600",
      description = "At most so many of each encoder task, and held-out ones of each decoder task.")
  private int rows;

  @Option(names = "--epochs", defaultValue = "4", description = "Passes over an encoder's rows.")
  private double epochs;

  @AppliesTo(unless = "--decoder")
  @Option(names = "--pretrain-steps", defaultValue = "300", description = "For the new decoder.")
  private int pretrainSteps;

  @Option(names = "--steps", defaultValue = "120", description = "Of each decoder task.")
  private int steps;

  @Option(names = "--rank", defaultValue = "8", description = "Rank r of the update; alpha is 2r.")
  private int rank;

  @Option(
      names = "--clients",
      split = ",",
      paramLabel = "N",
      defaultValue = "1,4,16",
      description = "Loads: so many threads that ask.")
  private List<Integer> clients;

  @Option(
      names = "--requests",
      defaultValue = "200",
      description = "Of each load; half as many for the decoder.")
  private int requests;

  @Option(names = "--new-tokens", defaultValue = "24", description = "Of a decoder's answer.")
  private int newTokens;

  @Option(names = "--seed", defaultValue = "42", description = "Of splits, starts and orders.")
  private long seed;

  /** What both halves go by. */
  record Settings(
      int rows,
      double epochs,
      int steps,
      int rank,
      List<Integer> clients,
      int requests,
      int newTokens,
      long seed) {}

  public static void main(String[] arguments) {
    System.exit(commandLine().execute(arguments));
  }

  static CommandLine commandLine() {
    return commandLine(new MultiTask());
  }

  @Override
  public Integer call() throws IOException {
    long start = System.nanoTime();
    JavaSources first =
        JavaSources.onClassPath("commons-lang3", "org/apache/commons/lang3/StringUtils.java");
    JavaSources second =
        tune == null
            ? JavaSources.onClassPath("jsoup", "org/jsoup/Jsoup.java")
            : JavaSources.read(tune);
    Map<String, TextDataset> encoderTasks = encoderTasks(List.of(first, second));
    try (OutputFolder result = OutputFolder.open(output, overwrite)) {
      List<CausalTask> decoderTasks =
          List.of(
              CausalTask.of("answers", instructions(result.path()), EVERY_TASK),
              new CausalTask("code", second.train(), second.heldOut()));
      Settings settings =
          new Settings(rows, epochs, steps, rank, clients, requests, newTokens, seed);
      Path small = encoder == null ? EmbeddedModel.MINILM_L6.materialize(cache) : locate(encoder);
      BaseResult encoded =
          new EncoderTasks(
                  small,
                  result.path().resolve("encoder-adapters"),
                  result.path().resolve("encoder-models"),
                  settings)
              .run(encoderTasks);
      BaseResult decoded =
          new DecoderTasks(
                  decoder == null ? newDecoder(first, result.path()) : locate(decoder),
                  result.path().resolve("decoder-adapters"),
                  result.path().resolve("decoder-models"),
                  settings)
              .run(decoderTasks);
      Report report =
          new Report(
              List.of(encoded, decoded),
              (System.nanoTime() - start) / 1e9,
              ManagementFactory.getOperatingSystemMXBean().getSystemLoadAverage());
      report.write(result.path());
      result.done();
      say("%n%s", report.toMarkdown());
      say("report, picture, adapters and models: %s", output);
      return Stream.of(encoded, decoded).allMatch(each -> each.unchanged() && each.same()) ? 0 : 1;
    }
  }

  private Map<String, TextDataset> encoderTasks(List<JavaSources> libraries) throws IOException {
    Map<String, TextDataset> tasks = new LinkedHashMap<>();
    tasks.put(
        "sentiment",
        sentiment == null
            ? SentimentLora.bundled()
            : TextDataset.read(sentiment, TextFormat.DEFAULT, Task.SINGLE_LABEL));
    if (questions == null) {
      tasks.put("library", JavaPassages.byLibrary(libraries));
      tasks.put("package", JavaPassages.byPackage(libraries));
    } else {
      TextFormat trec =
          TextFormat.DEFAULT
              .withKind(TextFormat.Kind.LABEL_SPACE_TEXT)
              .withCharset(StandardCharsets.ISO_8859_1);
      List<Example> fine = TextReader.read(questions, trec);
      List<Example> coarse =
          fine.stream()
              .map(row -> new Example(row.text(), null, row.label().split(":")[0], row.line()))
              .toList();
      tasks.put("question", TextDataset.of(questions.toString(), coarse, Task.SINGLE_LABEL));
      tasks.put("question-fine", TextDataset.of(questions.toString(), fine, Task.SINGLE_LABEL));
    }
    return tasks;
  }

  private CausalDataset instructions(Path folder) throws IOException {
    if (instructions != null) {
      return CausalDataset.read(instructions, StandardCharsets.UTF_8);
    }
    return CausalDataset.read(QloraChat.bundled(folder), StandardCharsets.UTF_8);
  }

  private Path newDecoder(JavaSources sources, Path folder) throws IOException {
    Path base = folder.resolve("decoder-base");
    NewCodeModel size = new NewCodeModel(2048, 4, 192, BLOCK, 8, pretrainSteps, seed);
    pretrain(size, sources, folder.resolve("decoder-initial"), base);
    return base;
  }

  /** {@return bytes of a folder's weights files} */
  static long weights(Path folder) throws IOException {
    long bytes = 0;
    try (Stream<Path> files = Files.list(folder)) {
      for (Path file : files.filter(f -> f.toString().endsWith(".safetensors")).toList()) {
        bytes += Files.size(file);
      }
    }
    return bytes;
  }

  /** {@return bytes of a model's parameters} */
  static long bytes(Model model) {
    return model.modules().parameters().stream()
        .filter(parameter -> parameter.tied() == null)
        .mapToLong(parameter -> parameter.shape().size() * model.precision().bytes())
        .sum();
  }
}
