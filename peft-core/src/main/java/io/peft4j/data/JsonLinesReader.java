package io.peft4j.data;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectReader;
import com.fasterxml.jackson.databind.json.JsonMapper;
import io.peft4j.io.JsonErrors;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Reads one JSON object a line. Blank lines are no rows; the first row decides the columns. */
final class JsonLinesReader {
  private static final ObjectReader JSON =
      JsonMapper.builder()
          .enable(JsonParser.Feature.STRICT_DUPLICATE_DETECTION)
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .build()
          .readerFor(JsonNode.class);

  private JsonLinesReader() {}

  static List<Example> read(Path file, SourceText source, TextFormat format) {
    List<Example> examples = new ArrayList<>();
    Columns columns = null;
    for (int line = 1; line <= source.lines(); line++) {
      String json = source.line(line);
      if (json.isBlank()) {
        continue;
      }
      JsonNode row = parse(json, file, line);
      if (columns == null) {
        columns = columns(row, format, file, line);
      }
      examples.add(example(row, columns, format, file, line));
    }
    return examples;
  }

  /** {@return what a row says in {@code columns}} */
  static Example example(JsonNode row, Columns columns, TextFormat format, Path file, int line) {
    return new Example(
        text(row, columns.text(), true, file, line),
        text(row, columns.textPair(), false, file, line),
        label(row, columns.label(), format.labelled(), file, line),
        line);
  }

  /** {@return the columns that a row has} */
  static Columns columns(JsonNode row, TextFormat format, Path file, int line) {
    List<String> names = new ArrayList<>();
    row.fieldNames().forEachRemaining(names::add);
    return Columns.choose(format, names, file, line);
  }

  private static JsonNode parse(String json, Path file, int line) {
    JsonNode row;
    try {
      row = JSON.readValue(json);
    } catch (JsonProcessingException e) {
      throw new DataException(file, line, "malformed JSON: " + JsonErrors.sentence(e));
    }
    if (!row.isObject()) {
      throw new DataException(file, line, "expected one JSON object a line, found " + kind(row));
    }
    return row;
  }

  private static String text(JsonNode row, String column, boolean needed, Path file, int line) {
    JsonNode value = column == null ? null : row.get(column);
    if (value == null || value.isNull()) {
      if (needed) {
        throw new DataException(file, line, "no '" + column + "'");
      }
      return null;
    }
    if (!value.isTextual()) {
      throw new DataException(
          file, line, "'" + column + "' should be a string, found " + kind(value));
    }
    return value.textValue();
  }

  private static String label(JsonNode row, String column, boolean needed, Path file, int line) {
    JsonNode value = column == null ? null : row.get(column);
    if (value == null || value.isNull()) {
      if (needed) {
        throw new DataException(file, line, "no '" + column + "'");
      }
      return null;
    }
    if (value.isObject()) {
      throw new DataException(
          file, line, "'" + column + "' should be a string, number or array, found an object");
    }
    return value.isArray() ? value.toString() : value.asText().strip();
  }

  /** {@return how a message calls it} */
  static String kind(JsonNode node) {
    return switch (node.getNodeType()) {
      case ARRAY -> node.isEmpty() ? "an empty array" : "an array";
      case OBJECT -> "an object";
      case STRING -> "a string";
      case NUMBER -> "the number " + node;
      default -> node.isMissingNode() ? "nothing" : node.toString();
    };
  }
}
