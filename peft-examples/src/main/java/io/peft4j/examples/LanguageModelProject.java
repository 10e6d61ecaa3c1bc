package io.peft4j.examples;

import io.peft4j.adapter.AdaptedModel;
import io.peft4j.adapter.select.FullConfig;
import io.peft4j.cli.CleanExit;
import io.peft4j.cli.ProgressBarListener;
import io.peft4j.data.CausalExample;
import io.peft4j.examples.code.ByteLevelBpe;
import io.peft4j.examples.code.JavaSources;
import io.peft4j.examples.code.NewLlama;
import io.peft4j.generate.Generated;
import io.peft4j.generate.GenerationConfig;
import io.peft4j.generate.Generator;
import io.peft4j.io.AtomicFiles;
import io.peft4j.model.CausalLm;
import io.peft4j.model.Fingerprint;
import io.peft4j.model.load.LoadOptions;
import io.peft4j.safetensors.Checkpoint;
import io.peft4j.text.CausalTokenizer;
import io.peft4j.train.CausalSet;
import io.peft4j.train.Schedule;
import io.peft4j.train.Trainer;
import io.peft4j.train.TrainingArguments;
import io.peft4j.train.TrainingSet;
import io.peft4j.train.report.MetricsJsonLines;
import io.peft4j.train.report.TrainingListener;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/** What practice projects with a language model have in common. */
abstract class LanguageModelProject extends PracticeProject {

  /** Trains the adapter of that name; it, and {@code metrics.jsonl}, go to {@code folder}. */
  static void train(
      AdaptedModel adapted,
      String name,
      TrainingArguments arguments,
      TrainingSet train,
      Path folder)
      throws IOException {
    Files.createDirectories(folder);
    Map<String, String> metadata = adapted.baseMetadata();
    MetricsJsonLines metrics = new MetricsJsonLines(folder.resolve("metrics.jsonl"));
    try (TrainingListener listener =
        TrainingListener.all(List.of(ProgressBarListener.forConsole(20), metrics))) {
      Trainer trainer =
          new Trainer(adapted, name, arguments, train, null, listener, folder, metadata);
      CleanExit.train(trainer, false);
    }
  }

  static double perplexity(CausalSet set, CausalLm lm) {
    return set.evaluate(lm.model(), 16).get("perplexity");
  }

  /** {@return so many updates, the rate going up and then down along a cosine} */
  static TrainingArguments steps(int steps, int batchSize, double rate, long seed) {
    return TrainingArguments.builder()
        .maxSteps(steps)
        .perDeviceTrainBatchSize(batchSize)
        .learningRate(rate)
        .lrSchedulerType(Schedule.COSINE)
        .warmupRatio(0.05)
        .weightDecay(0.01)
        .seed(seed)
        .build();
  }

  /** {@return the SHA-256 of a checkpoint's tensors} */
  static String fingerprint(Path folder) throws IOException {
    try (Checkpoint checkpoint = Checkpoint.open(folder)) {
      return Fingerprint.of(checkpoint);
    }
  }

  /** The size of a new model, and how long it is trained. */
  record NewCodeModel(
      int vocabulary, int layers, int hidden, int block, int batchSize, int steps, long seed) {}

  /**
   * A new tokenizer and a new model, of which every weight is trained.
   *
   * @param random folder for the model before training
   * @param base folder for the model
   */
  final void pretrain(NewCodeModel size, JavaSources sources, Path random, Path base)
      throws IOException {
    List<String> texts =
        sources.train().examples().stream()
            .map(example -> ((CausalExample.Text) example).text())
            .toList();
    long start = System.nanoTime();
    ByteLevelBpe bpe = ByteLevelBpe.train(texts, size.vocabulary);
    say(
        "%s: %,d files, %,d characters; %,d tokens learnt in %.1f s",
        sources.name(),
        sources.files().size(),
        sources.characters(),
        bpe.size(),
        (System.nanoTime() - start) / 1e9);
    int hidden = size.hidden;
    int heads = Math.max(2, hidden / 48);
    NewLlama shape =
        new NewLlama(
            bpe.size(), size.layers, hidden, heads, heads / 2, hidden * 8 / 3, 2 * size.block);
    Files.createDirectories(random);
    shape.write(random, size.seed);
    bpe.write(random);
    try (CausalLm lm = CausalLm.load(random, LoadOptions.DEFAULT);
        CausalTokenizer tokenizer = CausalTokenizer.of(random, lm.model());
        AdaptedModel adapted = new AdaptedModel(lm.model())) {
      CausalSet train = CausalSet.of(sources.train(), tokenizer, lm.model(), size.block);
      say("pretraining on %s: %,d tokens", sources.name(), train.tokens());
      adapted.add("new", new FullConfig(), size.seed);
      train(adapted, "new", steps(size.steps, size.batchSize, 3e-3, size.seed), train, base);
    }
    bpe.write(base);
    AtomicFiles.write(
        base.resolve("generation_config.json"),
        AtomicFiles.copyOf(random.resolve("generation_config.json")));
  }

  /** Prints how the model goes on after each prompt. */
  final void sayContinuations(
      CausalLm lm, CausalTokenizer tokenizer, List<String> prompts, GenerationConfig config) {
    List<Generated> found = new Generator(lm, tokenizer).generateTexts(prompts, config);
    for (int i = 0; i < prompts.size(); i++) {
      String text = prompts.get(i) + "»" + found.get(i).text();
      say("  | %s", text.strip().replace("\n", "\n  | "));
    }
  }
}
