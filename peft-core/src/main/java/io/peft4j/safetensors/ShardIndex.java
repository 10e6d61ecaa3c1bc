package io.peft4j.safetensors;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.core.json.JsonWriteFeature;
import com.fasterxml.jackson.core.util.DefaultIndenter;
import com.fasterxml.jackson.core.util.DefaultPrettyPrinter;
import com.fasterxml.jackson.core.util.Separators;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.io.GitLfs;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;

/** The index of a sharded checkpoint: under {@code weight_map}, tensor name to file name. */
final class ShardIndex {

  private static final JsonMapper JSON =
      JsonMapper.builder()
          .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .enable(JsonWriteFeature.ESCAPE_NON_ASCII)
          .disable(JsonWriteFeature.WRITE_HEX_UPPER_CASE)
          .build();

  private ShardIndex() {}

  /**
   * Reads an index.
   *
   * @return tensor name to shard name; every shard name stays within the index's folder. A shard
   *     may be a symbolic link out of it: that is how the Hugging Face cache is built.
   * @throws SafetensorsException if it is not valid
   */
  static Map<String, String> read(Path path) throws IOException {
    byte[] content = Files.readAllBytes(path);
    GitLfs.refusePointer(path, content);
    JsonNode root;
    try {
      root = JSON.readTree(content);
    } catch (JsonProcessingException e) {
      throw new SafetensorsException(
          path + ": expected an index in JSON, found an error: " + e.getMessage(), e);
    }
    JsonNode map = root.path("weight_map");
    if (!map.isObject() || map.isEmpty()) {
      throw new SafetensorsException(
          path + ": expected an object 'weight_map' with entries, found " + map.getNodeType());
    }
    Map<String, String> shardOf = new LinkedHashMap<>();
    for (Map.Entry<String, JsonNode> entry : map.properties()) {
      String shard = entry.getValue().textValue();
      if (shard == null || !staysInside(shard)) {
        throw new SafetensorsException(
            String.format(
                Locale.ROOT,
                "%s: tensor '%s': expected the name of a file within the index's folder, found %s",
                path,
                entry.getKey(),
                entry.getValue()));
      }
      shardOf.put(entry.getKey(), shard);
    }
    return shardOf;
  }

  private static boolean staysInside(String name) {
    if (name.isBlank() || name.contains("\\") || name.contains(":")) {
      return false;
    }
    try {
      Path path = Path.of(name);
      return !path.isAbsolute() && path.equals(path.normalize()) && !path.startsWith("..");
    } catch (InvalidPathException e) {
      return false;
    }
  }

  /** Encodes an index as Python's {@code json.dump(…, indent=2)} does. */
  static String encode(long totalSize, Map<String, String> shardOf) {
    ObjectNode root = JSON.createObjectNode();
    root.putObject("metadata").put("total_size", totalSize);
    ObjectNode map = root.putObject("weight_map");
    shardOf.forEach(map::put);
    DefaultPrettyPrinter python =
        new DefaultPrettyPrinter(
                Separators.createDefaultInstance()
                    .withObjectFieldValueSpacing(Separators.Spacing.AFTER))
            .withObjectIndenter(new DefaultIndenter("  ", "\n"));
    try {
      return JSON.writer(python).writeValueAsString(root);
    } catch (JsonProcessingException e) {
      throw new SafetensorsException("the index cannot be written: " + e.getMessage(), e);
    }
  }
}
