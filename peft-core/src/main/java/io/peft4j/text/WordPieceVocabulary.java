package io.peft4j.text;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.io.GitLfs;
import io.peft4j.io.JsonFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/**
 * BERT's vocabulary (Devlin et al., 2018) from its {@code vocab.txt}, one token a line, the line
 * being its number.
 */
final class WordPieceVocabulary {

  private WordPieceVocabulary() {}

  /**
   * {@return a tokenizer's tree that has the vocabulary only}
   *
   * @throws IllegalArgumentException if a special token that BERT needs is missing
   */
  static ObjectNode read(Path file) throws IOException {
    ObjectNode tree = JsonFiles.MAPPER.createObjectNode();
    ObjectNode vocabulary = tree.putObject("model").put("type", "WordPiece").putObject("vocab");
    int line = 0;
    GitLfs.refusePointer(file);
    for (String token : Files.readAllLines(file)) {
      vocabulary.put(token.stripTrailing(), line++);
    }
    for (String token : List.of("[UNK]", "[CLS]", "[SEP]")) {
      if (!vocabulary.has(token)) {
        throw new IllegalArgumentException(
            file + ": expected a line " + token + ", found none: not BERT's vocabulary");
      }
    }
    return tree;
  }
}
