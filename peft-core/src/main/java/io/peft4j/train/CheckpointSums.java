package io.peft4j.train;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.io.AtomicFiles;
import io.peft4j.io.JsonFiles;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import java.util.zip.CRC32C;

/**
 * {@value #FILE} of a checkpoint: size and CRC-32C of each of its other files, by which damage is
 * told, be it by a power cut, a full disk or a copy that was cut off. Written last.
 */
final class CheckpointSums {

  static final String FILE = "checksums.json";

  private static final ObjectMapper JSON = JsonFiles.MAPPER;
  private static final int BUFFER = 1 << 16;

  private CheckpointSums() {}

  /** Writes the file for what is in {@code folder} and its folders. */
  static void write(Path folder) throws IOException {
    AtomicFiles.writeString(
        folder.resolve(FILE),
        JSON.writerWithDefaultPrettyPrinter().writeValueAsString(of(folder)) + "\n");
  }

  /**
   * {@return null if all that {@link #write} saw is there and unchanged, else what is not, for
   * people}
   */
  static String damage(Path folder) throws IOException {
    Path file = folder.resolve(FILE);
    if (!Files.exists(file)) {
      return file + " is missing";
    }
    JsonNode expected;
    try {
      expected = JsonFiles.read(file);
    } catch (IllegalArgumentException e) {
      return e.getMessage();
    }
    if (!expected.isObject() || expected.isEmpty()) {
      return file + ": expected sums of files, found " + expected.getNodeType();
    }
    for (Map.Entry<String, JsonNode> entry : expected.properties()) {
      Path part;
      try {
        part = folder.resolve(entry.getKey());
      } catch (InvalidPathException e) {
        return file + ": expected names of files, found one that cannot be: " + e.getReason();
      }
      if (!Files.isRegularFile(part)) {
        return part + " is missing";
      }
      ObjectNode found = sum(part);
      if (!found.equals(entry.getValue())) {
        return part + ": expected " + text(entry.getValue()) + ", found " + text(found);
      }
    }
    return null;
  }

  private static String text(JsonNode sum) {
    return sum.path("bytes").asText() + " bytes with CRC-32C " + sum.path("crc32c").asText();
  }

  private static ObjectNode of(Path folder) throws IOException {
    TreeMap<String, Path> files = new TreeMap<>();
    try (Stream<Path> all = Files.walk(folder)) {
      all.filter(Files::isRegularFile)
          .forEach(file -> files.put(folder.relativize(file).toString().replace('\\', '/'), file));
    }
    files.remove(FILE);
    ObjectNode sums = JSON.createObjectNode();
    for (Map.Entry<String, Path> file : files.entrySet()) {
      sums.set(file.getKey(), sum(file.getValue()));
    }
    return sums;
  }

  private static ObjectNode sum(Path file) throws IOException {
    CRC32C checksum = new CRC32C();
    byte[] buffer = new byte[BUFFER];
    try (InputStream in = Files.newInputStream(file)) {
      for (int count; (count = in.read(buffer)) >= 0; ) {
        checksum.update(buffer, 0, count);
      }
    }
    ObjectNode sum = JSON.createObjectNode();
    sum.put("bytes", Long.toString(Files.size(file)));
    sum.put("crc32c", String.format(Locale.ROOT, "%08x", checksum.getValue()));
    return sum;
  }
}
