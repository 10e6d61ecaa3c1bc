package io.peft4j.cli;

import io.peft4j.data.TextFormat;
import io.peft4j.model.Model;
import io.peft4j.text.TextTokenizer;
import io.peft4j.text.TokenizerFolders;
import java.io.IOException;
import java.nio.charset.Charset;
import picocli.CommandLine.Option;

/** How files of texts are laid out, and how much of a text is read. */
final class ColumnOptions {

  @Option(
      names = {"--text-column", "--text_column"},
      description = "The column of the text. Default: text or sentence.")
  private String text;

  @Option(
      names = {"--text-pair-column", "--text_pair_column"},
      description = "A second text, for pairs.")
  private String textPair;

  @Option(
      names = {"--label-column", "--label_column"},
      description = "The column of the label. Default: label.")
  private String label;

  /**
   * {@return the tokenizer of a classifier's texts}
   *
   * @param maxLength tokens after which they are cut; 0 for as many as the model takes
   */
  static TextTokenizer tokenizer(TokenizerFolders folders, Model base, int maxLength)
      throws IOException {
    return maxLength == 0
        ? TextTokenizer.of(folders, base)
        : TextTokenizer.load(folders, Math.min(maxLength, base.maxLength()), base.vocabularySize());
  }

  TextFormat format(Charset encoding) {
    return TextFormat.DEFAULT.withCharset(encoding).withColumns(text, textPair, label);
  }
}
