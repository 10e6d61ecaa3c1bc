package io.peft4j.safetensors;

import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.core.json.JsonWriteFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.StringWriter;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * The JSON header of a safetensors file: eight bytes of little-endian length, then an object from
 * tensor name to {@code dtype}, {@code shape} and {@code data_offsets} (relative to the header's
 * end), with string pairs under {@code __metadata__}. The checks are those of the reference
 * implementation, which allows neither holes nor overlaps nor trailing bytes; on top of it,
 * duplicate keys are an error.
 */
record Header(Map<String, TensorInfo> tensors, Map<String, String> metadata) {

  /** The length field in front of the JSON, in bytes. */
  static final int PREFIX = 8;

  /** The longest JSON the format allows, in bytes. */
  static final long MAX_LENGTH = 100_000_000;

  static final String METADATA = "__metadata__";

  private static final JsonMapper JSON =
      JsonMapper.builder()
          .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .disable(JsonWriteFeature.WRITE_HEX_UPPER_CASE)
          .build();

  /** Finds the header's length, and checks that a file of {@code fileLength} bytes can hold it. */
  static int lengthOf(String file, ByteBuffer prefix, long fileLength) {
    long length = prefix.getLong(0);
    // the length is unsigned, so "negative" means huge
    if (length < 0 || length > MAX_LENGTH) {
      throw new SafetensorsException(
          String.format(
              Locale.ROOT,
              "%s: expected a header of at most %d bytes, found a length of %s: not a safetensors file?",
              file,
              MAX_LENGTH,
              Long.toUnsignedString(length)));
    }
    if (length > fileLength - PREFIX) {
      throw new SafetensorsException(
          String.format(
              Locale.ROOT,
              "%s: expected a header of %d bytes, found only %d bytes behind its length: the file is cut off",
              file,
              length,
              fileLength - PREFIX));
    }
    return (int) length;
  }

  /**
   * Parses and checks a header.
   *
   * @param file the file's name, for messages
   * @param json the header's bytes without the length in front
   * @param fileLength the size of the whole file in bytes
   * @throws SafetensorsException if anything is wrong
   */
  static Header parse(String file, ByteBuffer json, long fileLength) {
    long dataStart = PREFIX + (long) json.remaining();
    JsonNode root = readObject(file, json);
    Map<String, String> metadata = new LinkedHashMap<>();
    List<TensorInfo> found = new ArrayList<>();
    for (Map.Entry<String, JsonNode> entry : root.properties()) {
      if (entry.getKey().equals(METADATA)) {
        metadata.putAll(readMetadata(file, entry.getValue()));
      } else {
        found.add(readTensor(file, entry.getKey(), entry.getValue(), dataStart));
      }
    }
    found.sort(Comparator.comparingLong(TensorInfo::offset).thenComparing(TensorInfo::length));
    checkCoverage(file, found, dataStart, fileLength);

    Map<String, TensorInfo> tensors = new LinkedHashMap<>();
    found.forEach(tensor -> tensors.put(tensor.name(), tensor));
    return new Header(Collections.unmodifiableMap(tensors), Collections.unmodifiableMap(metadata));
  }

  private static JsonNode readObject(String file, ByteBuffer json) {
    JsonNode root;
    try {
      // decoded here, because Jackson would also accept UTF-16 and UTF-32
      root = JSON.readTree(StandardCharsets.UTF_8.newDecoder().decode(json).toString());
    } catch (CharacterCodingException e) {
      throw new SafetensorsException(file + ": expected a header in UTF-8, found other bytes", e);
    } catch (JsonProcessingException e) {
      throw new SafetensorsException(
          file + ": expected a header in JSON, found an error: " + e.getMessage(), e);
    }
    if (!root.isObject()) {
      throw new SafetensorsException(
          file + ": expected the header to be a JSON object, found " + describe(root));
    }
    return root;
  }

  private static Map<String, String> readMetadata(String file, JsonNode node) {
    Map<String, String> metadata = new LinkedHashMap<>();
    if (!node.isObject() && !node.isNull()) {
      throw new SafetensorsException(
          String.format(
              Locale.ROOT,
              "%s: expected %s to be an object, found %s",
              file,
              METADATA,
              describe(node)));
    }
    for (Map.Entry<String, JsonNode> entry : node.properties()) {
      if (!entry.getValue().isTextual()) {
        throw new SafetensorsException(
            String.format(
                Locale.ROOT,
                "%s: expected %s.%s to be a string, found %s",
                file,
                METADATA,
                entry.getKey(),
                describe(entry.getValue())));
      }
      metadata.put(entry.getKey(), entry.getValue().textValue());
    }
    return metadata;
  }

  private static TensorInfo readTensor(String file, String name, JsonNode node, long dataStart) {
    String where = String.format(Locale.ROOT, "%s: tensor '%s'", file, name);
    if (!node.isObject()) {
      throw new SafetensorsException(where + ": expected an object, found " + describe(node));
    }
    JsonNode typeNode = node.path("dtype");
    DType dtype =
        DType.named(typeNode.asText())
            .orElseThrow(
                () ->
                    new SafetensorsException(
                        String.format(
                            Locale.ROOT,
                            "%s: expected a dtype of %s, found %s",
                            where,
                            List.of(DType.values()),
                            describe(typeNode))));
    List<Long> shape = readCounts(where, "shape", node.path("shape"));
    List<Long> offsets = readCounts(where, "data_offsets", node.path("data_offsets"));
    if (offsets.size() != 2) {
      throw new SafetensorsException(
          String.format(
              Locale.ROOT, "%s: expected data_offsets of 2 numbers, found %s", where, offsets));
    }
    long begin = offsets.get(0);
    long length = offsets.get(1) - begin;
    long expected;
    try {
      expected = TensorInfo.lengthOf(dtype, shape);
    } catch (ArithmeticException e) {
      throw new SafetensorsException(
          String.format(
              Locale.ROOT,
              "%s: expected a size within 63 bits and of whole bytes, found %s of shape %s",
              where,
              dtype,
              shape),
          e);
    }
    if (length != expected) {
      throw new SafetensorsException(
          String.format(
              Locale.ROOT,
              "%s: expected %d bytes for %s of shape %s, found data_offsets %s",
              where,
              expected,
              dtype,
              shape,
              offsets));
    }
    if (begin > Long.MAX_VALUE - dataStart) {
      throw new SafetensorsException(
          String.format(
              Locale.ROOT, "%s: expected data_offsets within the file, found %s", where, offsets));
    }
    return new TensorInfo(name, dtype, shape, dataStart + begin, length);
  }

  private static List<Long> readCounts(String where, String key, JsonNode node) {
    if (!node.isArray()) {
      throw new SafetensorsException(
          String.format(
              Locale.ROOT, "%s: expected %s to be an array, found %s", where, key, describe(node)));
    }
    List<Long> counts = new ArrayList<>(node.size());
    for (JsonNode item : node) {
      if (!item.isIntegralNumber() || !item.canConvertToLong() || item.longValue() < 0) {
        throw new SafetensorsException(
            String.format(
                Locale.ROOT,
                "%s: expected %s to hold integers from 0 to 2^63-1, found %s",
                where,
                key,
                describe(item)));
      }
      counts.add(item.longValue());
    }
    return counts;
  }

  /** The tensors, in the order of their offsets, must cover all bytes behind the header once. */
  private static void checkCoverage(
      String file, List<TensorInfo> tensors, long dataStart, long fileLength) {
    long next = dataStart;
    for (TensorInfo tensor : tensors) {
      if (tensor.offset() != next) {
        throw new SafetensorsException(
            String.format(
                Locale.ROOT,
                "%s: tensor '%s': expected data_offsets to begin at %d, where the tensor before it ends, found %d (%s)",
                file,
                tensor.name(),
                next - dataStart,
                tensor.offset() - dataStart,
                tensor.offset() < next ? "they overlap" : "there is a hole"));
      }
      next += tensor.length();
      if (next > fileLength || next < 0) {
        throw new SafetensorsException(
            String.format(
                Locale.ROOT,
                "%s: tensor '%s': expected its data to end within %d bytes of data, found an end at %d: the file is cut off",
                file,
                tensor.name(),
                fileLength - dataStart,
                tensor.offset() - dataStart + tensor.length()));
      }
    }
    if (next != fileLength) {
      throw new SafetensorsException(
          String.format(
              Locale.ROOT,
              "%s: expected %d bytes of data in all, found %d: bytes behind the last tensor",
              file,
              next - dataStart,
              fileLength - dataStart));
    }
  }

  private static String describe(JsonNode node) {
    if (node.isMissingNode()) {
      return "nothing";
    }
    String text = node.toString();
    return text.length() <= 80 ? text : text.substring(0, 80) + "…";
  }

  /**
   * The header of a file that holds {@code tensors} back to back in the order given, its length in
   * front, padded with spaces so that the data begins at a multiple of 8 bytes: the bytes that the
   * reference implementation writes.
   *
   * @throws SafetensorsException if a name cannot be encoded or the header is longer than the
   *     format allows
   */
  static ByteBuffer encode(String file, List<TensorSource> tensors, Map<String, String> metadata) {
    metadata.forEach((key, value) -> checkText(file, key + value));
    tensors.forEach(tensor -> checkText(file, tensor.name()));
    // By way of text: to bytes Jackson writes what is outside the basic plane as two escapes.
    StringWriter text = new StringWriter();
    try (JsonGenerator json = JSON.createGenerator(text)) {
      json.writeStartObject();
      if (!metadata.isEmpty()) {
        json.writePOJOField(METADATA, metadata);
      }
      long offset = 0;
      for (TensorSource tensor : tensors) {
        writeTensor(json, tensor, offset);
        offset = Math.addExact(offset, tensor.length());
      }
      json.writeEndObject();
    } catch (IOException e) {
      throw new SafetensorsException(file + ": the header cannot be written: " + e.getMessage(), e);
    }
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    bytes.writeBytes(new byte[PREFIX]);
    bytes.writeBytes(text.toString().getBytes(StandardCharsets.UTF_8));
    while (bytes.size() % PREFIX != 0) {
      bytes.write(' ');
    }
    int length = bytes.size() - PREFIX;
    if (length > MAX_LENGTH) {
      throw new SafetensorsException(
          String.format(
              Locale.ROOT,
              "%s: expected a header of at most %d bytes, found %d",
              file,
              MAX_LENGTH,
              length));
    }
    return ByteBuffer.wrap(bytes.toByteArray()).order(ByteOrder.LITTLE_ENDIAN).putLong(0, length);
  }

  private static void checkText(String file, String text) {
    // Jackson would write half a surrogate pair as something else
    if (!StandardCharsets.UTF_8.newEncoder().canEncode(text)) {
      throw new SafetensorsException(
          String.format(
              Locale.ROOT,
              "%s: expected text that UTF-8 can hold, found half a surrogate pair in '%s'",
              file,
              text));
    }
  }

  private static void writeTensor(JsonGenerator json, TensorSource tensor, long offset)
      throws IOException {
    json.writeObjectFieldStart(tensor.name());
    json.writeStringField("dtype", tensor.dtype().name());
    json.writeFieldName("shape");
    json.writeArray(
        tensor.shape().stream().mapToLong(Long::longValue).toArray(), 0, tensor.shape().size());
    json.writeFieldName("data_offsets");
    json.writeArray(new long[] {offset, offset + tensor.length()}, 0, 2);
    json.writeEndObject();
  }
}
