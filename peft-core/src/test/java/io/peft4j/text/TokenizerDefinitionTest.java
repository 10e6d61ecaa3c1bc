package io.peft4j.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.Golden;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;
import org.slf4j.LoggerFactory;

/** The references are made by {@code make_tokenizers.py}. */
class TokenizerDefinitionTest {

  private static final ObjectMapper JSON = new ObjectMapper();
  private static final String ROOT = "tokenizers/";
  private static final int SIZE = 100_000;

  @TempDir private Path temp;

  private static void write(Path file, JsonNode value) throws IOException {
    Files.write(file, JSON.writeValueAsBytes(value));
  }

  /** Lays out what a case describes. */
  private static Path folder(Path folder, JsonNode golden) throws IOException {
    Files.createDirectories(folder);
    JsonNode base = Golden.json(ROOT + golden.get("base").asText() + ".json");
    JsonNode model = base.get("model");
    ObjectNode config = JSON.createObjectNode();
    config.set("model_type", golden.get("model_type"));
    JsonNode files = golden.get("files");
    if (files.has("vocab.txt")) {
      Map<Integer, String> lines = new TreeMap<>();
      model.get("vocab").properties().forEach(e -> lines.put(e.getValue().asInt(), e.getKey()));
      Files.write(folder.resolve("vocab.txt"), lines.values());
    } else if (files.has("vocab.json")) {
      write(folder.resolve("vocab.json"), model.get("vocab"));
      List<String> merges = new ArrayList<>(List.of("#version: 0.2"));
      model.get("merges").forEach(m -> merges.add(m.get(0).asText() + " " + m.get(1).asText()));
      Files.write(folder.resolve("merges.txt"), merges);
    } else {
      write(folder.resolve("tokenizer.json"), base);
    }
    for (Map.Entry<String, JsonNode> file : files.properties()) {
      if (file.getKey().equals("config.json")) {
        config.setAll((ObjectNode) file.getValue());
      } else if (!file.getValue().isNull()) {
        write(folder.resolve(file.getKey()), file.getValue());
      }
    }
    write(folder.resolve("config.json"), config);
    if (!golden.get("config").isNull()) {
      write(folder.resolve("tokenizer_config.json"), golden.get("config"));
    }
    return folder;
  }

  @TestFactory
  Stream<DynamicTest> equalsTransformers() throws IOException {
    JsonNode golden = Golden.json(ROOT + "cases.json");
    assertTrue(golden.get("cases").size() > 60);
    return golden.get("cases").properties().stream()
        .map(
            entry ->
                DynamicTest.dynamicTest(
                    entry.getKey(),
                    () ->
                        check(
                            folder(temp.resolve(entry.getKey()), entry.getValue()),
                            golden,
                            entry.getValue())));
  }

  private static void check(Path folder, JsonNode golden, JsonNode expected) throws IOException {
    TokenizerDefinition definition = TokenizerDefinition.read(folder);
    TokenizerConfig config = definition.config();
    assertEquals(expected.get("class").asText(), config.type().label);
    ObjectNode tree = definition.json().deepCopy();
    ((ObjectNode) tree.get("model")).remove(List.of("vocab", "merges"));
    tree.remove(List.of("truncation", "padding"));
    assertEquals(expected.get("tokenizer"), JSON.readTree(tree.toString()));
    assertEquals(expected.get("special_tokens"), JSON.valueToTree(config.specialTokens()));
    JsonNode limit = expected.get("model_max_length");
    assertEquals(
        limit.isNull() ? OptionalInt.empty() : OptionalInt.of(limit.asInt()),
        config.modelMaxLength());

    try (CausalTokenizer causal = CausalTokenizer.load(folder, SIZE);
        TextTokenizer text = TextTokenizer.load(folder, 512, SIZE)) {
      for (int i = 0; i < golden.get("texts").size(); i++) {
        String input = golden.get("texts").get(i).asText();
        int[] ids = Golden.ints(expected.get("ids").get(i));
        assertArrayEquals(ids, causal.encode(input), input);
        assertArrayEquals(ids, text.encode(input).ids(), input);
        int[] plain = Golden.ints(expected.get("plain").get(i));
        assertArrayEquals(plain, causal.encodePlain(input).ids(), input);
        if (!expected.get("decoded").isNull()) {
          assertEquals(expected.get("decoded").get(i).asText(), causal.decode(ids), input);
        }
      }
      for (int i = 0; i < golden.get("pairs").size(); i++) {
        JsonNode pair = golden.get("pairs").get(i);
        Tokens tokens = text.encode(pair.get(0).asText(), pair.get(1).asText());
        assertArrayEquals(Golden.ints(expected.get("pairs").get(i)), tokens.ids());
        assertArrayEquals(Golden.ints(expected.get("pair_types").get(i)), tokens.types());
      }
    }
    for (JsonNode cut : expected.get("cuts")) {
      JsonNode texts = cut.get("texts");
      String first = golden.get("texts").get(texts.get(0).asInt()).asText();
      String second =
          texts.size() == 1 ? null : golden.get("texts").get(texts.get(1).asInt()).asText();
      try (TextTokenizer text = TextTokenizer.load(folder, cut.get("length").asInt(), SIZE);
          TextTokenizer whole = TextTokenizer.load(folder, 512, SIZE)) {
        Tokens tokens = text.encode(first, second);
        assertArrayEquals(Golden.ints(cut.get("ids")), tokens.ids(), cut.toString());
        int uncut = whole.encode(first, second).length();
        assertEquals(uncut - tokens.length(), tokens.cut());
      }
    }
  }

  @Test
  void choosesTheClassThatAutoTokenizerDoes() throws IOException {
    for (Map.Entry<String, JsonNode> type : Golden.json(ROOT + "classes.json").properties()) {
      for (Map.Entry<String, JsonNode> named : type.getValue().properties()) {
        String name = named.getKey().isEmpty() ? null : named.getKey();
        assertEquals(
            named.getValue().asText(),
            TokenizerClass.choose(type.getKey(), name).type().label,
            type.getKey() + " " + name);
      }
    }
  }

  /** What transformers' classes take from the file: each key has a decision. */
  @Test
  void everyKeyOfTransformersIsDecided() throws IOException {
    List<String> open = new ArrayList<>();
    for (JsonNode key : Golden.json(ROOT + "keys.json")) {
      if (!TokenizerKeys.isKnown(key.asText())) {
        open.add(key.asText());
      }
    }
    assertEquals(List.of(), open);
    for (String key : TokenizerKeys.WITHOUT_EFFECT) {
      assertTrue(!TokenizerKeys.USED.contains(key), key);
    }
  }

  private Path bert(Map<String, Object> config) throws IOException {
    Path folder = temp.resolve("one");
    JsonNode golden = Golden.json(ROOT + "cases.json").get("cases").get("bert");
    folder(folder, golden);
    write(folder.resolve("tokenizer_config.json"), JSON.valueToTree(config));
    return folder;
  }

  private String refused(Map<String, Object> config) throws IOException {
    Path folder = bert(config);
    return assertThrows(
            IllegalArgumentException.class, () -> TextTokenizer.load(folder, 64, SIZE).close())
        .getMessage();
  }

  @Test
  void whatIsNotUsedIsSaid() throws IOException {
    Logger logger = (Logger) LoggerFactory.getLogger("io.peft4j.text");
    ListAppender<ILoggingEvent> seen = new ListAppender<>();
    seen.start();
    logger.addAppender(seen);
    try {
      TextTokenizer.load(bert(Map.of("do_lowercase", false, "padding_side", "left")), 64, SIZE)
          .close();
      TextTokenizer.load(bert(Map.of("auto_map", Map.of("AutoTokenizer", "x.Y"))), 64, SIZE)
          .close();
      TextTokenizer.load(bert(Map.of("tokenizer_class", "CanineTokenizer")), 64, SIZE).close();
    } finally {
      logger.detachAppender(seen);
    }
    List<String> said = seen.list.stream().map(ILoggingEvent::getFormattedMessage).toList();
    assertEquals(3, said.size(), said.toString());
    assertTrue(said.get(0).endsWith("unknown keys [do_lowercase] are not used"), said.get(0));
    assertTrue(said.get(1).contains("auto_map is not used"), said.get(1));
    assertTrue(said.get(2).contains("tokenizer_class CanineTokenizer"), said.get(2));
  }

  @Test
  void wrongValuesAreRefusedByName() throws IOException {
    assertTrue(refused(Map.of("split_special_tokens", true)).contains("split_special_tokens"));
    assertTrue(refused(Map.of("do_lower_case", "no")).contains("do_lower_case: expected true"));
    assertTrue(refused(Map.of("truncation_side", "up")).contains("expected left or right"));
    assertTrue(refused(Map.of("tokenizer_class", 1)).contains("tokenizer_class"));
    assertTrue(refused(Map.of("cls_token", List.of())).contains("cls_token"));
    assertTrue(
        refused(Map.of("added_tokens_decoder", Map.of("x", "y"))).contains("added_tokens_decoder"));
    assertTrue(refused(Map.of("tokenizer_class", "XLMRobertaTokenizer")).contains("model.vocab"));
    Path folder = bert(Map.of());
    Files.writeString(folder.resolve("tokenizer_config.json"), "[]");
    assertTrue(
        assertThrows(
                IllegalArgumentException.class, () -> TextTokenizer.load(folder, 64, SIZE).close())
            .getMessage()
            .contains("expected an object"));
  }
}
