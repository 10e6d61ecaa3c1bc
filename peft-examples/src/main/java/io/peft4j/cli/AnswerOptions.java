package io.peft4j.cli;

import java.io.IOException;
import java.nio.file.Path;
import picocli.CommandLine.Option;

/** Which lines to answer, and where. */
final class AnswerOptions {

  @Option(
      names = "--input",
      required = true,
      paramLabel = "FILE",
      description = "What to answer, row by row.")
  private Path input;

  @Option(names = "--output", required = true, paramLabel = "FILE", description = "JSON lines.")
  private Path output;

  /** See {@link JsonLines#answer}. */
  <T> void answer(int batchSize, JsonLines.Reader<T> reader, JsonLines.Answers<T> answers)
      throws IOException {
    JsonLines.answer(input, output, batchSize, reader, answers);
  }

  /** See {@link JsonLines#answerRows}. */
  <T> void answerRows(int batchSize, JsonLines.Rows<T> rows, JsonLines.Answers<T> answers)
      throws IOException {
    JsonLines.answerRows(input, output, batchSize, rows, answers);
  }

  Path input() {
    return input;
  }
}
