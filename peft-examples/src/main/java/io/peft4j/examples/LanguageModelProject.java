package io.peft4j.examples;

import io.peft4j.adapter.AdaptedModel;
import io.peft4j.cli.CleanExit;
import io.peft4j.cli.ProgressBarListener;
import io.peft4j.generate.Generated;
import io.peft4j.generate.GenerationConfig;
import io.peft4j.generate.Generator;
import io.peft4j.model.CausalLm;
import io.peft4j.text.CausalTokenizer;
import io.peft4j.train.CausalSet;
import io.peft4j.train.Trainer;
import io.peft4j.train.TrainingArguments;
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
      AdaptedModel adapted, String name, TrainingArguments arguments, CausalSet train, Path folder)
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
