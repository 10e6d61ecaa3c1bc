package io.peft4j.cli;

import io.peft4j.io.AtomicFiles;
import io.peft4j.text.TokenizerFolders;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** What lies beside a checkpoint's weights and goes with them unchanged. */
final class TokenizerFiles {

  private static final String GENERATION = "generation_config.json";

  private TokenizerFiles() {}

  /** Copies a model's tokenizer, and how {@code base} generates. */
  static void copy(TokenizerFolders tokenizer, Path base, Path to) throws IOException {
    tokenizer.copy(to);
    if (Files.exists(base.resolve(GENERATION))) {
      AtomicFiles.write(to.resolve(GENERATION), AtomicFiles.copyOf(base.resolve(GENERATION)));
    }
  }
}
