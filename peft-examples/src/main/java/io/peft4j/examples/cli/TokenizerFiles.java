package io.peft4j.examples.cli;

import io.peft4j.io.AtomicFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** What lies beside a checkpoint's weights and goes with them unchanged. */
final class TokenizerFiles {

  private static final List<String> NAMES =
      List.of(
          "tokenizer.json",
          "tokenizer_config.json",
          "special_tokens_map.json",
          "added_tokens.json",
          "chat_template.jinja",
          "generation_config.json",
          "vocab.txt",
          "vocab.json",
          "merges.txt");

  private TokenizerFiles() {}

  /** Copies those of them that {@code from} has. */
  static void copy(Path from, Path to) throws IOException {
    for (String name : NAMES) {
      if (Files.exists(from.resolve(name))) {
        AtomicFiles.write(to.resolve(name), AtomicFiles.copyOf(from.resolve(name)));
      }
    }
  }
}
