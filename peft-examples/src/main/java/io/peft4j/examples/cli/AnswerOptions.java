package io.peft4j.examples.cli;

import java.io.IOException;
import java.nio.file.Path;
import picocli.CommandLine.Option;

/** Which lines to answer, and where. */
final class AnswerOptions {

  @Option(names = "--input", required = true, paramLabel = "FILE", description = "JSON lines.")
  private Path input;

  @Option(names = "--output", required = true, paramLabel = "FILE", description = "JSON lines.")
  private Path output;

  /** See {@link JsonLines#answer}. */
  <T> void answer(int batchSize, JsonLines.Reader<T> reader, JsonLines.Answers<T> answers)
      throws IOException {
    JsonLines.answer(input, output, batchSize, reader, answers);
  }
}
