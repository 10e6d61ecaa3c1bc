package io.peft4j.text;

import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What ended the process is an exception that names it. */
class TokenizerCheckTest {

  private static final String BPE =
      "\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}, \"merges\": []}";

  @TempDir private Path folder;

  private TextTokenizer open(String content) throws IOException {
    Files.writeString(folder.resolve("tokenizer.json"), "{" + content + "}");
    return TextTokenizer.load(folder, 64, 1_000);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "'decoder': 1e400 | decoder: expected an object",
        "'decoder': [[[]]] | decoder: expected an object",
        "'decoder': {'type': 'Fuse' | not JSON",
        "'normalizer': {'type': 'Precompiled', 'precompiled_charsmap': 'AAAA'} | charsmap",
        "'normalizer': {'type': 'Replace', 'pattern': {'Regex': '(a+)+$'}, 'content': 'b'} | (a+)+$",
        "'normalizer': {'type': 'Replace', 'pattern': {'Regex': 'a*a*a*a*b'}, 'content': ''} | more than two",
        "'normalizer': {'type': 'Replace', 'pattern': {'String': ''}, 'content': 'b'} | pattern",
        "'pre_tokenizer': {'type': 'FixedLength', 'length': 0} | length: expected a number from 1",
        "'pre_tokenizer': {'type': 'New'} | pre_tokenizer: expected an object of a type among",
        "'post_processor': {'type': 'TemplateProcessing', 'single': [{'SpecialToken': {'id': 'X', 'type_id': 0}}, {'Sequence': {'id': 'A', 'type_id': 0}}], 'pair': [], 'special_tokens': {}} | post_processor.single",
      })
  void partsAreRefusedByName(String part, String problem) {
    String message =
        assertThrows(
                IllegalArgumentException.class, () -> open(part.replace('\'', '"') + ", " + BPE))
            .getMessage();
    assertTrue(message.contains("not a tokenizer: ") && message.contains(problem), message);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "'type': 'BPE', 'vocab': {'a': 0, '##a': 1, 'aa': 2}, 'merges': ['a ##a'], 'continuing_subword_prefix': 'éé' | continuing_subword_prefix",
        "'type': 'BPE', 'vocab': {'a': 0}, 'merges': ['a b'] | model.merges",
        "'type': 'BPE', 'vocab': {'a': -1}, 'merges': [] | model.vocab",
        "'type': 'Unigram', 'unk_id': 1, 'vocab': [['a', -1.0]] | unk_id",
        "'type': 'Unigram', 'unk_id': 0, 'vocab': [['a', 1e400]] | scores",
      })
  void modelsAreRefusedByName(String model, String problem) {
    String json = "\"model\": {" + model.replace('\'', '"') + "}";
    String message = assertThrows(IllegalArgumentException.class, () -> open(json)).getMessage();
    assertTrue(message.contains("not a tokenizer: ") && message.contains(problem), message);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "'type': 'Unigram', 'unk_id': null, 'vocab': [['a', -1.0]]",
        "'type': 'WordLevel', 'vocab': {'a': 0}, 'unk_token': '<unk>'",
        "'type': 'WordPiece', 'vocab': {'a': 0}, 'unk_token': '[UNK]', 'continuing_subword_prefix': '##'",
      })
  void wordsWithoutATokenAreRefused(String model) throws IOException {
    try (TextTokenizer tokenizer = open("\"model\": {" + model.replace('\'', '"') + "}")) {
      assertThrows(IllegalArgumentException.class, () -> tokenizer.encode("b"));
      assertThrows(IllegalArgumentException.class, () -> tokenizer.encode("b", "a"));
    }
  }

  @Test
  void lengthsAreBounded() throws IOException {
    try (TextTokenizer tokenizer = open(BPE)) {
      for (String text : new String[] {"a".repeat(5_000_000), " ".repeat(1_100_000) + "a"}) {
        assertThrows(IllegalArgumentException.class, () -> tokenizer.encode(text));
      }
    }
    String added =
        "\"added_tokens\": [{\"id\": 1, \"content\": \"" + "A".repeat(2_000) + "\"}], " + BPE;
    assertTrue(
        assertThrows(IllegalArgumentException.class, () -> open(added))
            .getMessage()
            .contains("added_tokens"));
  }
}
