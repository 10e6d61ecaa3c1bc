package io.peft4j.cli;

import io.peft4j.data.CausalDataset;
import io.peft4j.data.Example;
import io.peft4j.data.LabelNames;
import io.peft4j.data.NumericLabels;
import io.peft4j.data.Splits;
import io.peft4j.data.Task;
import io.peft4j.data.TextDataset;
import io.peft4j.data.TextReader;
import io.peft4j.model.HeadIdentity;
import io.peft4j.model.Model;
import io.peft4j.model.load.LoadOptions;
import io.peft4j.text.CausalTokenizer;
import io.peft4j.train.CausalSet;
import java.io.IOException;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** What to train and evaluate on. */
@Heading("Data")
final class DataOptions {

  @Option(
      names = "--data",
      required = true,
      paramLabel = "FILE",
      description = {
        "For seq-cls, labelled texts: .csv, .tsv (with a header), .jsonl, or .txt",
        "(text<TAB>label). For causal-lm, .jsonl or .json with text, prompt and completion,",
        "messages, or instruction and output; or a plain .txt."
      })
  private Path data;

  @Option(
      names = {"--eval-data", "--eval_data"},
      paramLabel = "FILE",
      description = "Held-out texts. Without it, --eval-split of the data is held out.")
  private Path evalData;

  @AppliesTo(unless = "--eval-data")
  @Option(
      names = {"--eval-split", "--eval_split"},
      defaultValue = "0.1",
      description = "Share to hold out, by label; 0 for none. Default: ${DEFAULT-VALUE}.")
  private double evalSplit;

  @AppliesTo(needs = "--task=seq-cls")
  @Option(
      names = {"--problem-type", "--problem_type"},
      description = {
        "single_label_classification, multi_label_classification or regression. Default: what the",
        "model's config.json says, else single_label_classification."
      })
  private String problemType;

  @AppliesTo(needs = "--task=seq-cls")
  @Option(
      names = "--labels",
      split = ",",
      description =
          "Names of the labels in the order of their numbers. Default: as in the data. A model's"
              + " trained head keeps its own order.")
  private List<String> labels;

  @AppliesTo(needs = "--task=seq-cls")
  @Option(
      names = {"--new-head", "--new_head"},
      description = "Draw a new head even if the model has a trained one, for other labels.")
  private boolean newHead;

  @AppliesTo(needs = "--task=seq-cls")
  @Mixin
  private ColumnOptions columns;

  @Option(names = "--encoding", description = "Of the files. Default: UTF-8.")
  private Charset encoding = StandardCharsets.UTF_8;

  @Option(
      names = {"--max-length", "--max_length"},
      defaultValue = "0",
      description = {
        "Tokens after which texts are cut; 0 for as many as the model takes, for causal-lm at",
        "most 1024."
      })
  private int maxLength;

  int maxLength() {
    return maxLength;
  }

  /** {@return whether something is to be held out} */
  boolean holdsOut() {
    return evalData != null || evalSplit > 0;
  }

  /** Memory grows with the length, and models say they take very long texts. */
  private static final int LONGEST = 1024;

  /**
   * Reads, tokenizes and splits what a language model is to learn.
   *
   * @return the part to train on and the held-out part; the latter null where there is none
   */
  CausalSet.Split causal(CausalTokenizer tokenizer, Model model, long seed) throws IOException {
    checkSplit();
    int limit = maxLength == 0 ? LONGEST : maxLength;
    CausalSet all = CausalSet.of(CausalDataset.read(data, encoding), tokenizer, model, limit);
    if (evalData != null) {
      CausalDataset others = CausalDataset.read(evalData, encoding);
      return new CausalSet.Split(all, CausalSet.of(others, tokenizer, model, limit));
    }
    return evalSplit > 0 ? all.split(evalSplit, seed) : new CausalSet.Split(all, null);
  }

  /**
   * Reads the labelled texts.
   *
   * @param head what the model says of its own
   * @throws IllegalArgumentException if it cannot be told whether numbers are classes
   */
  TextDataset texts(HeadIdentity head) throws IOException {
    checkSplit();
    List<Example> rows = TextReader.read(data, columns.format(encoding));
    Task task = task(head, rows);
    return labels == null
        ? TextDataset.of(data.toString(), rows, task)
        : TextDataset.of(data.toString(), rows, task, LabelNames.of(labels));
  }

  private Task task(HeadIdentity head, List<Example> rows) {
    if (problemType != null) {
      return Task.ofProblemType(problemType);
    }
    if (!newHead && head.declaredTask() != null) {
      return head.declaredTask();
    }
    NumericLabels.quantities(rows)
        .ifPresent(
            numbers -> {
              throw new IllegalArgumentException(
                  data
                      + ": its labels are "
                      + numbers
                      + "; say --problem-type regression to learn them as quantities, or"
                      + " --problem-type single_label_classification to learn each as a class");
            });
    return Task.SINGLE_LABEL;
  }

  /** {@return options that load a model with the head for {@code texts}} */
  LoadOptions headFor(TextDataset texts, LoadOptions options) {
    return newHead
        ? options.withNewHead(texts.task(), texts.labelNames())
        : options.withHead(texts.task(), texts.labelNames());
  }

  /**
   * Splits the texts, or reads the others to hold out.
   *
   * @return training and held-out texts; the latter null where there are none
   */
  Splits.Split split(TextDataset texts, long seed) throws IOException {
    if (evalData != null) {
      List<Example> rows = TextReader.read(evalData, columns.format(encoding));
      return new Splits.Split(texts, TextDataset.like(texts, evalData.toString(), rows));
    }
    return evalSplit > 0
        ? Splits.stratified(texts, evalSplit, seed)
        : new Splits.Split(texts, null);
  }

  private void checkSplit() {
    if (!(evalSplit >= 0 && evalSplit < 1)) {
      throw new IllegalArgumentException("--eval-split: expected in [0, 1), found " + evalSplit);
    }
  }
}
