package io.peft4j.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.peft4j.Shared;
import io.peft4j.data.CausalExample.Chat;
import io.peft4j.data.CausalExample.Completion;
import io.peft4j.data.CausalExample.Instruction;
import io.peft4j.data.CausalExample.Text;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class CausalDatasetTest {

  @TempDir private Path folder;

  private CausalDataset read(String name, String content) throws IOException {
    Path file = folder.resolve(name);
    Files.writeString(file, content);
    return CausalDataset.read(file, StandardCharsets.UTF_8);
  }

  @Test
  void everyKindOfRow() throws IOException {
    CausalDataset data =
        read(
            "all.jsonl",
            """
            {"text": "a", "meta": {"x": 1}}

            {"prompt": "p", "completion": "c"}
            {"messages": [{"role": "user", "content": "u"}, {"role": "assistant", "content": "b"}], "tools": [{"name": "f"}]}
            {"instruction": "i", "input": "", "output": "o"}
            {"instruction": "i", "instances": [{"input": "x", "output": "y"}, {"input": "z", "output": "w"}]}
            """);
    List<CausalExample> examples = data.examples();
    assertEquals(new Text("a", false, 1), examples.get(0));
    assertEquals(new Completion("p", "c", 3), examples.get(1));
    Chat chat = assertInstanceOf(Chat.class, examples.get(2));
    assertEquals("assistant", chat.messages().get(1).get("role"));
    assertTrue(chat.variables().containsKey("tools"));
    assertEquals(new Instruction("i", "", "o", 5), examples.get(3));
    assertEquals(new Instruction("i", "z", "w", 6), examples.get(5));
    assertEquals(
        new Completion("### Instruction:\ni\n\n### Response:\n", "o", 5),
        ((Instruction) examples.get(3)).asCompletion());
    assertEquals(
        "i\n\nz", ((Instruction) examples.get(5)).asChat().messages().get(0).get("content"));
  }

  @Test
  void aListKnowsItsLines() throws IOException {
    CausalDataset data = read("list.json", "[\n  {\"text\": \"a\"},\n\n  {\"text\":\n \"b\"}\n]\n");
    assertEquals(new Text("b", false, 4), data.examples().get(1));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "{\"text\": 5} | :1: 'text' should be a string, found the number 5",
        "{\"text\": \" \"} | :1: the text is empty",
        "`{\"text\": \"a\"}\n{\"text\"` | :2: malformed JSON",
        "[1] | :1: expected an object, found an array",
        "{\"prompt\": \"a\"} | :1: no 'completion'",
        "{\"completion\": \"a\"} | :1: no 'prompt'",
        "{\"instruction\": \"a\"} | :1: no 'output'",
        "{\"label\": \"a\"} | :1: expected the keys 'text', 'prompt' and 'completion', 'messages'",
        "{\"messages\": []} | :1: 'messages' should be a list of messages, found an empty array",
        "{\"messages\": [5]} | :1: 'messages[0]' should be an object, found the number 5",
        "{\"messages\": [{\"content\": \"a\"}]} | :1: 'messages[0].role' should be a string",
        "{\"messages\": [{\"role\": \"user\"}]} | :1: 'messages[0]' has no 'content'",
        "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}]} |"
            + " :1: 'messages' has no message of the role assistant",
        "{\"instruction\": \"a\", \"instances\": {}} | :1: 'instances' should be a list",
        "{\"text\": \"a\", \"text\": \"b\"} | :1: malformed JSON: Duplicate",
        "`\n` | : holds no examples"
      })
  void namesFileLineAndKey(String content, String problem) {
    String message =
        assertThrows(DataException.class, () -> read("bad.jsonl", content)).getMessage();
    assertTrue(message.contains("bad.jsonl" + problem), message);
  }

  @Test
  void otherFilesAreRefused() {
    assertThrows(DataException.class, () -> read("a.parquet", "x"));
    assertThrows(DataException.class, () -> read("a.txt", " \n"));
    assertThrows(DataException.class, () -> read("a.json", "{}"));
    assertThrows(DataException.class, () -> read("a.json", "[{\"text\": \"a\"}"));
    assertThrows(
        NoSuchFileException.class,
        () -> CausalDataset.read(folder.resolve("none.jsonl"), StandardCharsets.UTF_8));
  }

  @Test
  void publishedFilesAreRead() throws IOException {
    Path instruct = Shared.path("data/instruct");
    assertEquals(
        175,
        CausalDataset.read(instruct.resolve("seed_tasks.jsonl"), StandardCharsets.UTF_8)
            .examples()
            .stream()
            .map(CausalExample::line)
            .distinct()
            .count());
    CausalDataset alpaca =
        CausalDataset.read(instruct.resolve("alpaca_en_demo.json"), StandardCharsets.UTF_8);
    assertEquals(999, alpaca.size());
    assertFalse(((Instruction) alpaca.examples().get(0)).output().isBlank());
  }
}
