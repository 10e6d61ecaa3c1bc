package io.peft4j.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.Golden;
import io.peft4j.data.CausalDataset;
import io.peft4j.data.CausalExample;
import io.peft4j.data.DataException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CausalTokenizerTest {

  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Path GOLDEN = Golden.path("causal/llama");

  @TempDir private Path folder;

  @BeforeEach
  void copy() throws IOException {
    for (String name : List.of("tokenizer.json", "tokenizer_config.json")) {
      Files.copy(GOLDEN.resolve(name), folder.resolve(name));
    }
  }

  private void config(String key, Object value) throws IOException {
    Path file = folder.resolve("tokenizer_config.json");
    ObjectNode config = (ObjectNode) JSON.readTree(file.toFile());
    config.set(key, JSON.valueToTree(value));
    JSON.writeValue(file.toFile(), config);
  }

  private static CausalDataset chat(String content) {
    Map<String, Object> user = Map.of("role", "user", "content", content);
    Map<String, Object> answer = Map.of("role", "assistant", "content", "b");
    return new CausalDataset(
        "chat.jsonl", List.of(new CausalExample.Chat(List.of(user, answer), Map.of(), 7)));
  }

  private String problem(int vocabulary) {
    return assertThrows(
            IllegalArgumentException.class, () -> CausalTokenizer.load(folder, vocabulary).close())
        .getMessage();
  }

  @Test
  void aMissingTemplateIsSaidWhereItIsNeeded() throws IOException {
    config("chat_template", null);
    try (CausalTokenizer tokenizer = CausalTokenizer.load(folder, 384)) {
      tokenizer.encode("texts need none");
      DataException e =
          assertThrows(
              DataException.class, () -> new CausalEncoder(tokenizer, 99).encode(chat("a")));
      assertTrue(e.getMessage().startsWith("chat.jsonl:7: "), e.getMessage());
      assertTrue(
          e.getMessage().contains("tokenizer_config.json: expected a chat_template"),
          e.getMessage());
    }
  }

  @Test
  void brokenTemplatesAreNamedWithTheirLine() throws IOException {
    config("chat_template", "{{ bos_token }}\n{% for m in messages %}{{ m.content }}");
    assertTrue(
        problem(384).contains("tokenizer_config.json: chat_template: broken chat template: line 2"),
        problem(384));
    Files.writeString(folder.resolve("chat_template.jinja"), "{{ 1 +");
    assertTrue(problem(384).contains("chat_template.jinja: broken chat template: line 1"));
    Files.delete(folder.resolve("chat_template.jinja"));
    config("chat_template", 5);
    assertTrue(problem(384).contains("chat_template: expected a string"), problem(384));
  }

  @Test
  void whatATemplateRefusesIsNamedWithTheRow() throws IOException {
    config("chat_template", "{{ raise_exception('No such conversations!') }}");
    try (CausalTokenizer tokenizer = CausalTokenizer.load(folder, 384)) {
      String message =
          assertThrows(
                  DataException.class, () -> new CausalEncoder(tokenizer, 99).encode(chat("a")))
              .getMessage();
      assertTrue(message.startsWith("chat.jsonl:7: "), message);
      assertTrue(message.contains("No such conversations!"), message);
    }
  }

  @Test
  void listsOfTemplatesHaveADefault() throws IOException {
    config(
        "chat_template",
        List.of(
            Map.of("name", "tool_use", "template", "tools"),
            Map.of("name", "default", "template", "{{ messages[0].content }}!")));
    try (CausalTokenizer tokenizer = CausalTokenizer.load(folder, 384)) {
      int[] found = tokenizer.encodeChat(List.of(Map.of("role", "user", "content", "Rinse")));
      assertEquals("Rinse!", tokenizer.decode(found));
    }
    config("chat_template", List.of(Map.of("name", "tool_use", "template", "tools")));
    try (CausalTokenizer tokenizer = CausalTokenizer.load(folder, 384)) {
      List<Map<String, Object>> chat = List.of(Map.of("role", "user", "content", "Rinse"));
      String message =
          assertThrows(IllegalArgumentException.class, () -> tokenizer.encodeChat(chat))
              .getMessage();
      assertTrue(message.contains("of the name default, found [tool_use]"), message);
    }
  }

  @Test
  void anotherModelsTokenizerIsRefused() throws IOException {
    String message = problem(300);
    assertTrue(
        message.contains("tokenizer.json: model.vocab: expected at most 300 tokens"), message);
    Files.writeString(folder.resolve("tokenizer.json"), "{}");
    assertTrue(problem(384).contains("tokenizer.json: not a tokenizer"), problem(384));
    Files.delete(folder.resolve("tokenizer.json"));
    assertThrows(NoSuchFileException.class, () -> CausalTokenizer.load(folder, 384).close());
  }

  @Test
  void aTokenThatTheModelDoesNotHaveIsRefusedWhereItIsUsed() throws IOException {
    Path file = folder.resolve("tokenizer.json");
    ObjectNode json = (ObjectNode) JSON.readTree(file.toFile());
    int own = json.get("model").get("vocab").size();
    json.withArray("added_tokens").addObject().put("id", own).put("content", "<more>");
    for (String flag : List.of("single_word", "lstrip", "rstrip", "normalized", "special")) {
      ((ObjectNode) json.get("added_tokens").get(json.get("added_tokens").size() - 1))
          .put(flag, flag.equals("special"));
    }
    JSON.writeValue(file.toFile(), json);
    try (CausalTokenizer tokenizer = CausalTokenizer.load(folder, own)) {
      tokenizer.encode("without it");
      String message =
          assertThrows(IllegalArgumentException.class, () -> tokenizer.encode("with <more>"))
              .getMessage();
      assertTrue(
          message.contains(
              "tokenizer.json: token '<more>' has the number "
                  + own
                  + "; expected one below the model's vocab_size "
                  + own),
          message);
    }
  }

  @Test
  void placesInTheTextCountJavasCharacters() throws IOException {
    try (CausalTokenizer tokenizer = CausalTokenizer.load(folder, 384)) {
      String text = "\uD83D\uDE00\uD83D\uDE00 probe";
      CausalTokenizer.Located located = tokenizer.encodePlain(text);
      int last = located.ids().length - 1;
      assertEquals(text.length(), located.ends()[last]);
      assertTrue(located.starts()[last] >= 4);
      assertArrayEquals(located.ids(), tokenizer.encodePlain(text).ids());
    }
  }
}
