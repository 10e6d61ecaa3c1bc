package io.peft4j.quant.bnb;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.peft4j.io.JsonErrors;
import io.peft4j.io.JsonFiles;
import io.peft4j.quant.BlockScales;
import io.peft4j.quant.FloatType;
import io.peft4j.quant.FourBitTensor;
import io.peft4j.quant.QuantType;
import io.peft4j.quant.QuantizationException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;

/**
 * The part of a 4-bit weight's state that is no tensor, as the JSON object in the file.
 *
 * @param type NF4 or FP4
 * @param blockSize elements a block
 * @param sourceType the weight's type before quantization
 * @param shape the weight's shape before quantization
 * @param nested of double quantization, or null
 */
record QuantState(
    QuantType type, int blockSize, FloatType sourceType, long[] shape, Nested nested) {
  private static final ObjectMapper JSON = JsonFiles.MAPPER;

  /**
   * @param blockSize scales a nested block
   * @param offset the scales' mean
   */
  record Nested(int blockSize, float offset) {}

  static QuantState of(FourBitTensor tensor) {
    Nested nested =
        tensor.scales() instanceof BlockScales.Nested scales
            ? new Nested(scales.blockSize(), scales.offset())
            : null;
    return new QuantState(
        tensor.type(), tensor.blockSize(), tensor.sourceType(), tensor.shape(), nested);
  }

  /** The bytes of Python's {@code json.dumps}, to which floats are doubles in shortest form. */
  byte[] toJson() {
    String shapeText =
        Arrays.stream(shape).mapToObj(Long::toString).collect(Collectors.joining(", "));
    String json =
        String.format(
            Locale.ROOT,
            "{\"quant_type\": \"%s\", \"blocksize\": %d, \"dtype\": \"%s\", \"shape\": [%s]",
            type.id(),
            blockSize,
            sourceType.torchName(),
            shapeText);
    if (nested != null) {
      json +=
          String.format(
              Locale.ROOT,
              ", \"nested_blocksize\": %d, \"nested_dtype\": \"float32\", \"nested_offset\": %s",
              nested.blockSize(),
              PythonFloat.repr(nested.offset()));
    }
    return (json + "}").getBytes(StandardCharsets.UTF_8);
  }

  static QuantState parse(byte[] bytes, boolean isNested) {
    JsonNode json;
    try {
      json = JSON.readTree(bytes);
    } catch (JacksonException e) {
      throw new QuantizationException("is no JSON: " + JsonErrors.sentence(e), e);
    } catch (IOException e) {
      throw new QuantizationException("cannot be read as JSON", e);
    }
    if (json == null || !json.isObject()) {
      throw new QuantizationException("expected a JSON object");
    }
    JsonNode extents = json.path("shape");
    if (!extents.isArray() || extents.isEmpty()) {
      throw new QuantizationException("expected 'shape' to be a list of extents, found " + extents);
    }
    long[] shape = new long[extents.size()];
    for (int i = 0; i < shape.length; i++) {
      shape[i] = integer("shape", extents.get(i));
    }
    Nested nested = isNested ? parseNested(json) : null;
    return new QuantState(
        QuantType.of(text(json, "quant_type")),
        Math.toIntExact(integer("blocksize", json.path("blocksize"))),
        FloatType.ofTorchName(text(json, "dtype")),
        shape,
        nested);
  }

  private static Nested parseNested(JsonNode json) {
    String type = text(json, "nested_dtype");
    if (!type.equals("float32")) {
      throw new QuantizationException("expected 'nested_dtype' float32, found " + type);
    }
    JsonNode offset = json.path("nested_offset");
    if (!offset.isNumber()) {
      throw new QuantizationException("expected 'nested_offset' to be a number, found " + offset);
    }
    return new Nested(
        Math.toIntExact(integer("nested_blocksize", json.path("nested_blocksize"))),
        (float) offset.asDouble());
  }

  private static String text(JsonNode json, String key) {
    JsonNode value = json.path(key);
    if (!value.isTextual()) {
      throw new QuantizationException(
          String.format(Locale.ROOT, "expected '%s' to be a string, found %s", key, value));
    }
    return value.asText();
  }

  private static long integer(String key, JsonNode value) {
    if (!value.canConvertToInt() || !value.isIntegralNumber()) {
      throw new QuantizationException(
          String.format(Locale.ROOT, "expected '%s' to be an integer, found %s", key, value));
    }
    return value.asLong();
  }
}
