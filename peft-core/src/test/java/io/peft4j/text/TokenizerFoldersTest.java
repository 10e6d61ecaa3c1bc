package io.peft4j.text;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.peft4j.Golden;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TokenizerFoldersTest {

  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Path GOLDEN = Golden.path("causal/llama");
  private static final String CONFIG = "tokenizer_config.json";

  @TempDir private Path temp;
  private Path base;

  @BeforeEach
  void base() throws IOException {
    base = folder("base", "base {{ messages[0].content }}");
  }

  /** {@return a folder with a tokenizer whose template is a key of its config} */
  private Path folder(String name, String template) throws IOException {
    Path folder = Files.createDirectories(temp.resolve(name));
    Files.copy(GOLDEN.resolve("tokenizer.json"), folder.resolve("tokenizer.json"));
    config(folder, JSON.valueToTree(template));
    return folder;
  }

  private static void config(Path folder, JsonNode template) throws IOException {
    var config = JSON.createObjectNode().put("eos_token", "</s>");
    Files.writeString(folder.resolve(CONFIG), config.set("chat_template", template).toString());
  }

  private Path adapter(String name) throws IOException {
    return Files.createDirectories(temp.resolve(name));
  }

  private static String prompt(TokenizerFolders folders) throws IOException {
    return ChatTemplate.find(folders.template()).orElseThrow().render(hi(), true, Map.of()).text();
  }

  private static List<Map<String, Object>> hi() {
    return List.of(Map.of("role", "user", "content", "hi"));
  }

  @Test
  void templatesAreFoundWhereTransformersFindsThem() throws IOException {
    int number = 0;
    for (JsonNode test : Golden.json("templates/files.json")) {
      Path folder = adapter("t" + number++);
      for (Map.Entry<String, JsonNode> file : test.get("files").properties()) {
        if (file.getKey().equals(CONFIG)) {
          config(folder, file.getValue());
        } else {
          Path path = folder.resolve(file.getKey());
          Files.createDirectories(path.getParent());
          Files.writeString(path, file.getValue().textValue());
        }
      }
      Map<String, Object> variables = new HashMap<>();
      variables.put("tools", JSON.convertValue(test.get("tools"), Object.class));
      variables.put("eos_token", "</s>");
      var found = ChatTemplate.find(folder);
      if (test.get("text").isNull()) {
        assertTrue(
            found.isEmpty()
                || assertThrows(
                        IllegalArgumentException.class,
                        () -> found.get().render(hi(), false, variables),
                        test.toString())
                    .getMessage()
                    .contains("of the name default"));
      } else {
        String text = found.orElseThrow().render(hi(), false, variables).text();
        assertEquals(test.get("text").asText(), text, test.toString());
      }
    }
  }

  @Test
  void processorsTemplatesAreTheLastToBeLookedFor() throws IOException {
    Path folder = adapter("processor");
    Files.writeString(
        folder.resolve("chat_template.json"), "{\"chat_template\": \"p {{ messages | length }}\"}");
    assertEquals("p 1", prompt(TokenizerFolders.of(folder)));
    config(folder, JSON.valueToTree("key"));
    assertEquals("key", prompt(TokenizerFolders.of(folder)));
  }

  @Test
  void anAdaptersOwnFilesGoBeforeTheBases() throws IOException {
    Path none = adapter("none");
    assertEquals(TokenizerFolders.of(base), TokenizerFolders.of(base, none));
    assertEquals(TokenizerFolders.of(base), TokenizerFolders.of(base, (Path) null));

    Path own = folder("own", "own {{ messages[0].content }}");
    assertEquals(new TokenizerFolders(own, own, base), TokenizerFolders.of(base, own));
    assertEquals("own hi", prompt(TokenizerFolders.of(base, own)));

    Path template = adapter("template");
    Files.writeString(template.resolve("chat_template.jinja"), "jinja {{ messages[0].content }}");
    TokenizerFolders mixed = TokenizerFolders.of(base, template);
    assertEquals(new TokenizerFolders(base, template, base), mixed);
    assertEquals("jinja hi", prompt(mixed));
  }

  @Test
  void adaptersWhoseTokenizersDifferAreRefused() throws IOException {
    Path one = folder("one", "same");
    Path two = folder("two", "same");
    assertEquals(one, TokenizerFolders.of(base, List.of(one, two)).vocabulary());
    Files.writeString(two.resolve("chat_template.jinja"), "other");
    String templates =
        assertThrows(
                IllegalArgumentException.class, () -> TokenizerFolders.of(base, List.of(one, two)))
            .getMessage();
    assertTrue(templates.contains(one.toString()) && templates.contains(two.toString()));
    Files.writeString(two.resolve("tokenizer.json"), "{}");
    String tokenizers =
        assertThrows(
                IllegalArgumentException.class, () -> TokenizerFolders.of(base, List.of(one, two)))
            .getMessage();
    assertTrue(tokenizers.contains("different ones: " + one.resolve("tokenizer.json")));
  }

  @Test
  void copiesNothingOfTheOtherFolder() throws IOException {
    Files.writeString(base.resolve("chat_template.jinja"), "base's file");
    Files.writeString(base.resolve("special_tokens_map.json"), "{}");
    Path own = folder("own", "own {{ messages[0].content }}");
    Path to = temp.resolve("merged");
    TokenizerFolders.of(base, own).copy(to);
    assertEquals("own hi", prompt(TokenizerFolders.of(to)));
    assertFalse(Files.exists(to.resolve("special_tokens_map.json")));

    Path more = adapter("more");
    config(
        more,
        JSON.valueToTree(
            List.of(
                Map.of("name", "default", "template", "plain"),
                Map.of("name", "rag", "template", "rag"))));
    Path second = temp.resolve("second");
    TokenizerFolders.of(base, more).copy(second);
    assertEquals("plain", prompt(TokenizerFolders.of(second)));
    assertEquals(
        "rag", Files.readString(second.resolve("additional_chat_templates").resolve("rag.jinja")));
    assertEquals(-1, Files.mismatch(base.resolve(CONFIG), second.resolve(CONFIG)));

    config(more, JSON.valueToTree(List.of(Map.of("name", "../up", "template", "x"))));
    TokenizerFolders escaping = TokenizerFolders.of(base, more);
    assertThrows(IllegalArgumentException.class, () -> escaping.copy(temp.resolve("third")));
    assertFalse(Files.exists(temp.resolve("third").resolve("up.jinja")));
  }
}
