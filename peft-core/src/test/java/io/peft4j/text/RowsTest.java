package io.peft4j.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import com.fasterxml.jackson.databind.JsonNode;
import io.peft4j.Golden;
import io.peft4j.data.CausalDataset;
import io.peft4j.data.DataException;
import io.peft4j.model.batch.TokenSequence;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.slf4j.LoggerFactory;

/** Rows to tokens and labels; the references are made by {@code make_rows.py}. */
class RowsTest {

  @TempDir private Path folder;
  private CausalTokenizer tokenizer;

  @BeforeEach
  void open() throws IOException {
    for (String name : List.of("tokenizer.json", "tokenizer_config.json", "config.json")) {
      Files.copy(Golden.path("causal/llama").resolve(name), folder.resolve(name));
    }
    use(Golden.json("causal/rows.json").get("template").asText());
  }

  @AfterEach
  void close() {
    tokenizer.close();
  }

  private void use(String template) throws IOException {
    if (tokenizer != null) {
      tokenizer.close();
    }
    Files.writeString(folder.resolve("chat_template.jinja"), template);
    tokenizer = CausalTokenizer.load(folder, 384);
  }

  private CausalDataset rows(String... lines) throws IOException {
    Path file = folder.resolve("rows.jsonl");
    Files.writeString(file, String.join("\n", lines));
    return CausalDataset.read(file, StandardCharsets.UTF_8);
  }

  private List<LabelledTokens> encode(String... lines) throws IOException {
    return new CausalEncoder(tokenizer, 1000).encode(rows(lines)).examples();
  }

  /** The text that is learnt of an example, turns apart. */
  private String learnt(LabelledTokens example) {
    StringBuilder text = new StringBuilder();
    int from = -1;
    for (int i = 0; i <= example.length(); i++) {
      boolean label = i < example.length() && example.labels()[i] != TokenSequence.IGNORED;
      if (label && from < 0) {
        from = i;
      } else if (!label && from >= 0) {
        int[] ids = Arrays.copyOfRange(example.ids(), from, i);
        text.append(tokenizer.decodeWithSpecialTokens(ids)).append('/');
        from = -1;
      }
    }
    return text.toString();
  }

  private String learnt(String... lines) throws IOException {
    return encode(lines).stream().map(this::learnt).collect(Collectors.joining("|"));
  }

  @Test
  void equalsTrl() throws IOException {
    JsonNode golden = Golden.json("causal/rows.json");
    assertTrue(golden.get("rows").size() > 8);
    for (JsonNode row : golden.get("rows")) {
      LabelledTokens found = encode(row.get("row").toString()).get(0);
      assertArrayEquals(Golden.ints(row.get("ids")), found.ids(), row.get("row").toString());
      assertArrayEquals(Golden.ints(row.get("labels")), found.labels(), row.get("row").toString());
    }
  }

  @Test
  void turnsMayBeLeftOut() throws IOException {
    String row =
        "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}, {\"role\": \"assistant\","
            + " \"content\": \"bad\", %s}, {\"role\": \"user\", \"content\": \"b\"}, {\"role\":"
            + " \"assistant\", \"content\": \"good\", %s}]}";
    String marked = Golden.json("causal/rows.json").get("template").asText();
    String plain = marked.replace("{%- generation %}", "").replace("{%- endgeneration %}", "");
    for (String template : List.of(marked, plain)) {
      use(template);
      String end = template == marked ? "<|im_end|>/" : "<|im_end|>\n/";
      assertEquals(
          "good" + end, learnt(String.format(Locale.ROOT, row, "\"weight\": 0", "\"weight\": 1")));
      assertEquals(
          "good" + end, learnt(String.format(Locale.ROOT, row, "\"train\": false", "\"x\": 1")));
      assertEquals(
          "bad" + end, learnt(String.format(Locale.ROOT, row, "\"x\": 0", "\"weight\": 0.0")));
      assertEquals(
          "bad" + end + "good" + end,
          learnt(String.format(Locale.ROOT, row, "\"train\": true", "\"weight\": 1")));
      // the tokens are the same, whatever is learnt
      assertArrayEquals(
          encode(String.format(Locale.ROOT, row, "\"x\": 0", "\"x\": 0")).get(0).ids(),
          encode(String.format(Locale.ROOT, row, "\"weight\": 0", "\"x\": 0")).get(0).ids());
    }
    refused(
        String.format(Locale.ROOT, row, "\"weight\": 0.5", "\"x\": 1"),
        "messages[1].weight' should be 0 or 1");
    refused(
        String.format(Locale.ROOT, row, "\"weight\": 0", "\"train\": false"),
        "leave no turn to learn");
    refused(
        String.format(
            Locale.ROOT,
            row.replace("\"content\": \"a\"", "\"content\": \"a\", \"train\": true"),
            "\"x\": 0",
            "\"x\": 1"),
        "messages[0].train': only turns of the assistant");
  }

  @Test
  void otherToolsConversations() throws IOException {
    String chat =
        "{\"conversations\": [{\"from\": \"human\", \"value\": \"hi\"}, {\"from\": \"gpt\","
            + " \"value\": \"yes\"}], \"system\": \"Be brief.\"}";
    String same =
        "{\"messages\": [{\"role\": \"system\", \"content\": \"Be brief.\"}, {\"role\": \"user\","
            + " \"content\": \"hi\"}, {\"role\": \"assistant\", \"content\": \"yes\"}]}";
    assertArrayEquals(encode(same).get(0).ids(), encode(chat).get(0).ids());
    assertEquals("yes<|im_end|>/", learnt(chat));
    String text =
        "{\"messages\": "
            + quoted(
                "[{\"role\": \"user\", \"content\": \"hi\"},"
                    + " {\"role\": \"assistant\", \"content\": \"yes\"}]")
            + "}";
    assertEquals("yes<|im_end|>/", learnt(text));
    String calls =
        "{\"conversations\": [{\"from\": \"human\", \"value\": \"hi\"}, {\"from\":"
            + " \"function_call\", \"value\": "
            + quoted("{\"name\": \"probe\", \"arguments\": {\"n\": 1}}")
            + "}, {\"from\": \"observation\", \"value\": \"7\"}, {\"from\": \"gpt\", \"value\":"
            + " \"seven\"}], \"tools\": \"\"}";
    assertEquals("<call>probe{\"n\": 1}<|im_end|>/seven<|im_end|>/", learnt(calls));
    refused(chat.replace("human", "alien"), "conversations[0].from': expected one of");
    refused(chat.replace("\"yes\"", "5"), "conversations[1].value' should be a string");
    refused(calls.replace("arguments", "args"), "a call with 'name' and 'arguments'");
  }

  @Test
  void alpacaHasSystemAndHistory() throws IOException {
    String row =
        "{\"instruction\": \"do\", \"input\": \"\", \"output\": \"x\", \"history\": [[\"q1\","
            + " \"a1\"]], \"system\": \"be nice\"}";
    LabelledTokens example = encode(row).get(0);
    assertEquals(
        "<|im_start|>system\nbe nice<|im_end|>\n<|im_start|>user\nq1<|im_end|>\n<|im_start|>"
            + "assistant\na1<|im_end|>\n<|im_start|>user\ndo<|im_end|>\n<|im_start|>assistant\n"
            + "x<|im_end|>\n",
        tokenizer.decodeWithSpecialTokens(example.ids()));
    assertEquals("a1<|im_end|>/x<|im_end|>/", learnt(example));
    refused(row.replace("[\"q1\", \"a1\"]", "[\"q1\"]"), "'history' should be a list of pairs");
    Files.delete(folder.resolve("chat_template.jinja"));
    Files.writeString(folder.resolve("tokenizer_config.json"), "{\"eos_token\": \"</s>\"}");
    tokenizer.close();
    tokenizer = CausalTokenizer.load(folder, 400);
    CausalDataset data = rows(row);
    String message =
        assertThrows(DataException.class, () -> new CausalEncoder(tokenizer, 99).encode(data))
            .getMessage();
    assertTrue(message.contains("'system' and 'history' need a tokenizer with a chat"), message);
  }

  @Test
  void whatCannotBeUsedIsRefusedByName() throws IOException {
    String row =
        "{\"messages\": [{\"role\": \"user\", \"content\": \"hi\"}, {\"role\": \"assistant\","
            + " \"content\": \"yes\"}], %s}";
    refused(
        String.format(Locale.ROOT, row, "\"tools\": [\"f\"]"),
        "'tools' should be a list of objects");
    refused(
        String.format(Locale.ROOT, row, "\"tools\": \"f\""), "'tools' should be a list of objects");
    refused(String.format(Locale.ROOT, row, "\"tools\": \"[{\""), "'tools': malformed JSON");
    refused(
        String.format(Locale.ROOT, row, "\"tools\": {\"a\": 1}"),
        "'tools' should be a list of objects");
    refused(
        String.format(Locale.ROOT, row, "\"chat_template_kwargs\": 1"),
        "'chat_template_kwargs' should be");
    refused(String.format(Locale.ROOT, row, "\"system\": 1"), "'system' should be a string");
    refused(String.format(Locale.ROOT, row, "\"images\": [\"a.png\"]"), "'images' cannot be used");
    refused(
        String.format(Locale.ROOT, row.replace("\"hi\"", "[{\"type\": \"image\"}]"), "\"x\": 1"),
        "messages[0].content': expected text");
    refused("{\"prompt\": \"a\", \"chosen\": \"b\", \"rejected\": \"c\"}", "'chosen' cannot");
    refused(
        "{\"prompt\": [{\"role\": \"user\", \"content\": \"a\"}], \"completion\": \"b\"}",
        "'completion' should be a list of messages");
  }

  /** What TRL's data sets may hold: each column is used, refused, or named as not used. */
  @Test
  void everyColumnIsDecided() throws IOException {
    Logger logger = (Logger) LoggerFactory.getLogger("io.peft4j.data");
    ListAppender<ILoggingEvent> seen = new ListAppender<>();
    seen.start();
    logger.addAppender(seen);
    try {
      String chat =
          "\"messages\": [{\"role\": \"assistant\", \"content\": \"yes\"}], \"tools\": null,"
              + " \"chat_template_kwargs\": {}, \"images\": []";
      rows(
          "{" + chat + ", \"id\": 1}",
          "{\"text\": \"a\", \"id\": 1}",
          "{\"prompt\": \"a\", \"completion\": \"b\", \"label\": true}");
      assertEquals(1, seen.list.size());
      assertTrue(
          seen.list
              .get(0)
              .getFormattedMessage()
              .endsWith(
                  "rows.jsonl: not used: 'id' (2 rows, first in line 1), 'label' (1 rows, first in"
                      + " line 3)"),
          seen.list.get(0).getFormattedMessage());
    } finally {
      logger.detachAppender(seen);
    }
  }

  private static String quoted(String json) {
    return '"' + json.replace("\"", "\\\"") + '"';
  }

  private void refused(String row, String problem) {
    String message = assertThrows(DataException.class, () -> rows(row)).getMessage();
    assertTrue(message.contains("rows.jsonl:1: ") && message.contains(problem), message);
  }
}
