package io.peft4j.data;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import com.fasterxml.jackson.databind.json.JsonMapper;
import io.peft4j.io.JsonErrors;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/** Reads examples for causal language models from JSON. */
final class CausalJson {

  private static final ObjectMapper JSON =
      JsonMapper.builder()
          .enable(JsonParser.Feature.STRICT_DUPLICATE_DETECTION)
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .build();
  private static final ObjectReader ELEMENT =
      JSON.reader().without(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);
  private static final List<String> CHATS = List.of("messages", "conversations");

  private final Path file;
  private final List<CausalExample> examples = new ArrayList<>();
  private final RowKeys keys = new RowKeys();
  private final ChatRows conversations;

  private CausalJson(Path file) {
    this.file = file;
    this.conversations = new ChatRows(file);
  }

  /** One object a line; blank lines are none. */
  static List<CausalExample> readLines(Path file, SourceText source) {
    CausalJson reader = new CausalJson(file);
    for (int line = 1; line <= source.lines(); line++) {
      String json = source.line(line);
      if (!json.isBlank()) {
        try {
          reader.add(JSON.readTree(json), line);
        } catch (JsonProcessingException e) {
          throw new DataException(file, line, "malformed JSON: " + JsonErrors.sentence(e));
        }
      }
    }
    reader.keys.report(file);
    return reader.examples;
  }

  /** One list of objects. */
  static List<CausalExample> readList(Path file, SourceText source) throws IOException {
    CausalJson reader = new CausalJson(file);
    try (JsonParser parser = JSON.createParser(source.content())) {
      if (parser.nextToken() != JsonToken.START_ARRAY) {
        throw new DataException(file, 1, "expected a list of objects");
      }
      while (parser.nextToken() != JsonToken.END_ARRAY) {
        int line = parser.currentTokenLocation().getLineNr();
        reader.add(ELEMENT.readTree(parser), line);
      }
    } catch (JsonProcessingException e) {
      int line = e.getLocation() == null ? 0 : e.getLocation().getLineNr();
      throw new DataException(file, line, "malformed JSON: " + JsonErrors.sentence(e));
    }
    reader.keys.report(file);
    return reader.examples;
  }

  /** {@return the conversation of a row, which need not have an answer yet; null if it has none} */
  static CausalExample.Chat conversation(JsonNode row) {
    String key = conversationKey(row);
    return key == null ? null : new ChatRows(null).conversation(row, key, 0);
  }

  /** {@return the keys of a row that {@link #conversation} reads} */
  static Set<String> conversationKeys(JsonNode row) {
    String key = conversationKey(row);
    return key == null ? Set.of() : chatKeys(key);
  }

  private static String conversationKey(JsonNode row) {
    String key = CHATS.stream().filter(row::has).findFirst().orElse(null);
    return key == null && row.path("prompt").isArray() ? "prompt" : key;
  }

  private static Set<String> chatKeys(String conversation) {
    return Set.of(conversation, "tools", "chat_template_kwargs", "system");
  }

  private void add(JsonNode row, int line) {
    if (!row.isObject()) {
      throw new DataException(file, line, "expected an object, found " + kind(row));
    }
    String refused = RowKeys.refused(row);
    if (refused != null) {
      throw new DataException(file, line, refused);
    }
    String chat = CHATS.stream().filter(row::has).findFirst().orElse(null);
    if (chat != null) {
      examples.add(conversations.chat(row, chat, line));
      keys.see(row, line, chatKeys(chat));
    } else if (row.has("prompt") || row.has("completion")) {
      completion(row, line);
    } else if (row.has("instances")) {
      instances(row, line);
      keys.see(row, line, Set.of("instruction", "instances"));
    } else if (row.has("instruction") || row.has("output")) {
      examples.add(instruction(row, line));
      keys.see(row, line, Set.of("instruction", "input", "output", "system", "history"));
    } else if (row.has("text")) {
      String text = string(row, "text", true, line);
      if (text.isBlank()) {
        throw new DataException(file, line, "the text is empty");
      }
      examples.add(new CausalExample.Text(text, false, line));
      keys.see(row, line, Set.of("text"));
    } else {
      List<String> found = new ArrayList<>();
      row.fieldNames().forEachRemaining(found::add);
      throw new DataException(
          file,
          line,
          "expected the keys 'text', 'prompt' and 'completion', 'messages', or 'instruction' and"
              + " 'output', found "
              + found);
    }
  }

  private void completion(JsonNode row, int line) {
    if (row.path("prompt").isArray() || row.path("completion").isArray()) {
      examples.add(conversations.completion(row, line));
      keys.see(row, line, Set.of("prompt", "completion", "tools", "chat_template_kwargs"));
      return;
    }
    String completion = string(row, "completion", true, line);
    examples.add(new CausalExample.Completion(string(row, "prompt", true, line), completion, line));
    keys.see(row, line, Set.of("prompt", "completion"));
  }

  private CausalExample instruction(JsonNode row, int line) {
    List<CausalExample.Exchange> history = new ArrayList<>();
    JsonNode said = row.path("history");
    if (!said.isMissingNode() && !said.isNull()) {
      for (JsonNode pair : said.isArray() ? said : List.of(said)) {
        if (pair.size() != 2 || !pair.path(0).isTextual() || !pair.path(1).isTextual()) {
          throw new DataException(
              file,
              line,
              "'history' should be a list of pairs of question and answer, found " + kind(pair));
        }
        history.add(new CausalExample.Exchange(pair.get(0).textValue(), pair.get(1).textValue()));
      }
    }
    return new CausalExample.Instruction(
        string(row, "instruction", true, line),
        string(row, "input", false, line),
        string(row, "output", true, line),
        string(row, "system", false, line),
        history,
        line);
  }

  private void instances(JsonNode row, int line) {
    String instruction = string(row, "instruction", true, line);
    JsonNode instances = row.get("instances");
    if (!instances.isArray() || instances.isEmpty()) {
      throw new DataException(
          file, line, "'instances' should be a list of objects, found " + kind(instances));
    }
    for (JsonNode instance : instances) {
      examples.add(
          new CausalExample.Instruction(
              instruction,
              string(instance, "input", false, line),
              string(instance, "output", true, line),
              line));
    }
  }

  private String string(JsonNode row, String key, boolean needed, int line) {
    JsonNode value = row.path(key);
    if (value.isMissingNode() || value.isNull()) {
      if (needed) {
        throw new DataException(file, line, "no '" + key + "'");
      }
      return "";
    }
    if (!value.isTextual()) {
      throw new DataException(file, line, "'" + key + "' should be a string, found " + kind(value));
    }
    return value.textValue();
  }

  private static String kind(JsonNode node) {
    return JsonLinesReader.kind(node);
  }
}
