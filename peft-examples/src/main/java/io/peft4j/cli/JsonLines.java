package io.peft4j.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.data.DataException;
import io.peft4j.data.RowKeys;
import io.peft4j.io.AtomicFiles;
import io.peft4j.io.GitLfs;
import io.peft4j.io.JsonErrors;
import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.IOException;
import java.nio.charset.MalformedInputException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/** Answers a file of JSON lines, a batch of them at a time, with another. */
final class JsonLines {

  private static final ObjectMapper JSON =
      JsonMapper.builder()
          .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .build();

  private JsonLines() {}

  /** Makes of a line what is computed with. */
  @FunctionalInterface
  interface Reader<T> {
    /**
     * @throws IllegalArgumentException saying what is wrong with the line
     */
    T read(JsonNode line, Keys keys) throws IOException;
  }

  /** Is told by a {@link Reader} which keys of its line it uses; of others the user is warned. */
  @FunctionalInterface
  interface Keys {
    void used(Set<String> names);
  }

  /** As {@link Reader}, for one that has to know which line it is. */
  @FunctionalInterface
  interface NumberedReader<T> {
    /**
     * @param number of the line, from 1
     * @throws IllegalArgumentException saying what is wrong with the line
     */
    T read(JsonNode line, int number) throws IOException;
  }

  /** Gives all that is to be answered. */
  @FunctionalInterface
  interface Rows<T> {
    List<T> read() throws IOException;
  }

  /** Computes. */
  @FunctionalInterface
  interface Answers<T> {
    /** {@return an answer for each} */
    List<ObjectNode> of(List<T> rows);
  }

  /**
   * Answers each line of {@code input} that is not blank with a line of {@code output}, which
   * appears when it is whole.
   *
   * @throws IllegalArgumentException if a line is wrong; the message names file and line
   */
  static <T> void answer(
      Path input, Path output, int batchSize, Reader<T> reader, Answers<T> answers)
      throws IOException {
    answerRows(input, output, batchSize, () -> read(input, reader), answers);
  }

  /** As {@link #answer}, for rows of {@code input} that are read in another way. */
  static <T> void answerRows(
      Path input, Path output, int batchSize, Rows<T> from, Answers<T> answers) throws IOException {
    if (batchSize < 1) {
      throw new IllegalArgumentException("--batch-size must be positive, found " + batchSize);
    }
    if (Files.exists(output) && Files.exists(input) && Files.isSameFile(input, output)) {
      throw new IllegalArgumentException("--output " + output + " is the input; name another file");
    }
    AtomicFiles.write(
        output,
        temporary -> {
          try (BufferedWriter writer = Files.newBufferedWriter(temporary)) {
            List<T> rows = from.read();
            for (int at = 0; at < rows.size(); at += batchSize) {
              List<T> batch = rows.subList(at, Math.min(rows.size(), at + batchSize));
              for (ObjectNode answer : answers.of(batch)) {
                writer.write(JSON.writeValueAsString(answer));
                writer.newLine();
              }
            }
          }
        });
  }

  /**
   * Reads each line that is not blank.
   *
   * @throws IllegalArgumentException if a line is wrong; the message names file and line
   */
  static <T> List<T> read(Path input, Reader<T> reader) throws IOException {
    RowKeys keys = new RowKeys();
    List<T> rows =
        readNumbered(
            input, (line, number) -> reader.read(line, names -> keys.see(line, number, names)));
    keys.report(input);
    return rows;
  }

  /** As {@link #read(Path, Reader)}. */
  static <T> List<T> readNumbered(Path input, NumberedReader<T> reader) throws IOException {
    if (Files.isDirectory(input)) {
      throw new IOException(input + ": expected a file of JSON lines, found a folder");
    }
    GitLfs.refusePointer(input);
    List<T> rows = new ArrayList<>();
    try (BufferedReader lines = Files.newBufferedReader(input)) {
      int number = 0;
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        number++;
        if (!line.isBlank()) {
          try {
            rows.add(reader.read(parse(line), number));
          } catch (IllegalArgumentException e) {
            if (e instanceof DataException known && known.source() != null) {
              throw e; // names the line itself
            }
            throw new IllegalArgumentException(input + ":" + number + ": " + e.getMessage(), e);
          }
        }
      }
      return rows;
    } catch (MalformedInputException e) {
      throw new IllegalArgumentException(input + ": expected UTF-8, found other bytes", e);
    }
  }

  private static JsonNode parse(String line) {
    try {
      return JSON.readTree(line);
    } catch (JsonProcessingException e) {
      throw new IllegalArgumentException("not JSON: " + JsonErrors.sentence(e), e);
    }
  }

  /** {@return the token numbers under {@code key}, each one that the model knows} */
  static int[] tokens(JsonNode json, String key, int vocabulary) {
    int[] ids = integers(json, key);
    for (int id : ids) {
      if (id < 0 || id >= vocabulary) {
        throw new IllegalArgumentException(
            "'" + key + "': expected 0 to " + (vocabulary - 1) + ", found " + id);
      }
    }
    return ids;
  }

  static int[] integers(JsonNode json, String key) {
    JsonNode array = json.path(key);
    if (!array.isArray()) {
      throw new IllegalArgumentException("'" + key + "' must be a list of integers");
    }
    int[] values = new int[array.size()];
    for (int i = 0; i < values.length; i++) {
      if (!array.get(i).canConvertToInt() || !array.get(i).isIntegralNumber()) {
        throw new IllegalArgumentException(
            "'" + key + "' must be a list of integers, found " + array.get(i));
      }
      values[i] = array.get(i).asInt();
    }
    return values;
  }

  /**
   * {@return the string under {@code key}}
   *
   * @throws IllegalArgumentException if there is none
   */
  static String string(JsonNode json, String key) {
    if (!json.path(key).isTextual()) {
      throw new IllegalArgumentException(
          json.has(key)
              ? "'" + key + "' should be a string, found " + json.get(key)
              : "no '" + key + "'");
    }
    return json.get(key).textValue();
  }
}
