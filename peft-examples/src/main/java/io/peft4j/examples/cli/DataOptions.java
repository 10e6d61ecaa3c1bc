package io.peft4j.examples.cli;

import io.peft4j.data.CausalDataset;
import io.peft4j.data.LabelNames;
import io.peft4j.data.Splits;
import io.peft4j.data.Task;
import io.peft4j.data.TextDataset;
import io.peft4j.data.TextFormat;
import io.peft4j.model.Model;
import io.peft4j.text.CausalTokenizer;
import io.peft4j.train.CausalSet;
import java.io.IOException;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
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
      defaultValue = "single_label_classification",
      description =
          "single_label_classification, multi_label_classification or regression. Default:"
              + " ${DEFAULT-VALUE}.")
  private String problemType;

  @AppliesTo(needs = "--task=seq-cls")
  @Option(
      names = "--labels",
      split = ",",
      description = "Names of the labels in the order of their numbers. Default: as in the data.")
  private List<String> labels;

  @AppliesTo(needs = "--task=seq-cls")
  @Option(
      names = {"--text-column", "--text_column"},
      description = "The column of the text. Default: text or sentence.")
  private String textColumn;

  @AppliesTo(needs = "--task=seq-cls")
  @Option(
      names = {"--text-pair-column", "--text_pair_column"},
      description = "A second text, for pairs.")
  private String textPairColumn;

  @AppliesTo(needs = "--task=seq-cls")
  @Option(
      names = {"--label-column", "--label_column"},
      description = "The column of the label. Default: label.")
  private String labelColumn;

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
   * Reads and splits the data.
   *
   * @return training and held-out texts; the latter null where there are none
   */
  Splits.Split read(long seed) throws IOException {
    checkSplit();
    Task task = Task.ofProblemType(problemType);
    TextFormat format =
        TextFormat.DEFAULT
            .withCharset(encoding)
            .withColumns(textColumn, textPairColumn, labelColumn);
    TextDataset train =
        labels == null
            ? TextDataset.read(data, format, task)
            : TextDataset.read(data, format, task, LabelNames.of(labels));
    if (evalData != null) {
      return new Splits.Split(train, TextDataset.read(evalData, format, task, train.labelNames()));
    }
    return evalSplit > 0
        ? Splits.stratified(train, evalSplit, seed)
        : new Splits.Split(train, null);
  }

  private void checkSplit() {
    if (!(evalSplit >= 0 && evalSplit < 1)) {
      throw new IllegalArgumentException("--eval-split: expected in [0, 1), found " + evalSplit);
    }
  }
}
