package io.peft4j.quant;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Every byte is bitsandbytes' byte: see {@code src/test/python/make_goldens.py}. */
class GoldenTest {
  private static final ObjectMapper JSON = new ObjectMapper();

  private static Stream<JsonNode> goldens(String kind) throws IOException {
    List<JsonNode> rows = new ArrayList<>();
    try (InputStream in = GoldenTest.class.getResourceAsStream("goldens.jsonl")) {
      for (String line : new String(in.readAllBytes(), StandardCharsets.UTF_8).split("\n")) {
        rows.add(JSON.readTree(line));
      }
    }
    return rows.stream().filter(row -> row.get("kind").asText().equals(kind));
  }

  static Stream<JsonNode> fourBit() throws IOException {
    return goldens("4bit");
  }

  static Stream<JsonNode> dynamic() throws IOException {
    return goldens("dynamic");
  }

  static Stream<JsonNode> int8() throws IOException {
    return goldens("int8");
  }

  static Stream<JsonNode> mean() throws IOException {
    return goldens("mean");
  }

  @Test
  void thereAreTwoHundredTensorsAndMore() throws IOException {
    assertTrue(fourBit().count() >= 250);
    assertTrue(fourBit().filter(row -> row.get("double").asBoolean()).count() >= 120);
  }

  @ParameterizedTest
  @MethodSource("fourBit")
  void fourBitTensorIsThatOfBitsandbytes(JsonNode row) {
    QuantizationConfig config =
        QuantizationConfig.of(QuantType.of(row.get("type").asText()))
            .withBlockSize(row.get("block").asInt())
            .withDoubleQuant(row.get("double").asBoolean());
    FourBitTensor packed =
        (FourBitTensor)
            new Quantizer(config)
                .quantize(DrawnTensor.draw(row), DrawnTensor.type(row), DrawnTensor.shape(row));

    if (packed.scales() instanceof BlockScales.Nested nested) {
      assertEquals(
          Integer.toHexString(row.get("offset").asInt()),
          Integer.toHexString(Float.floatToRawIntBits(nested.offset())),
          "offset");
      assertEquals(text(row, "nested_absmax"), digest(nested.absmax()), "nested absmax");
      assertEquals(text(row, "absmax"), digest(ByteBuffer.wrap(nested.codes())), "absmax codes");
    } else {
      float[] absmax = ((BlockScales.Plain) packed.scales()).absmax();
      assertEquals(text(row, "absmax"), digest(absmax), "absmax");
    }
    assertEquals(text(row, "codes"), digest(packed.codes()), "codes");
    for (FloatType type : FloatType.values()) {
      ByteBuffer values =
          ByteBuffer.allocate(packed.count() * type.bytes()).order(ByteOrder.LITTLE_ENDIAN);
      packed.dequantize(values, type);
      assertEquals(text(row, "as_" + type.torchName()), digest(values), "as " + type);
    }
  }

  @ParameterizedTest
  @MethodSource("dynamic")
  void dynamicCodesAreThoseOfBitsandbytes(JsonNode row) {
    DynamicQuantizer quantizer =
        row.get("signed").asBoolean() ? DynamicQuantizer.signed() : DynamicQuantizer.unsigned();
    int block = row.get("block").asInt();
    int count = Shapes.count(DrawnTensor.shape(row));
    byte[] codes = new byte[count];
    float[] absmax = new float[(count + block - 1) / block];
    quantizer.quantize(DrawnTensor.draw(row), DrawnTensor.type(row), block, codes, absmax);
    float[] values = new float[count];
    quantizer.dequantize(codes, absmax, block, values);

    assertEquals(text(row, "absmax"), digest(absmax), "absmax");
    assertEquals(text(row, "codes"), digest(ByteBuffer.wrap(codes)), "codes");
    assertEquals(text(row, "as_float32"), digest(values), "as float32");
  }

  @ParameterizedTest
  @MethodSource("int8")
  void int8CodesAreThoseOfBitsandbytes(JsonNode row) {
    QuantizationConfig config =
        QuantizationConfig.of(QuantType.INT8)
            .withOutlierThreshold((float) row.get("threshold").asDouble());
    Int8Tensor packed =
        (Int8Tensor)
            new Quantizer(config)
                .quantize(DrawnTensor.draw(row), DrawnTensor.type(row), DrawnTensor.shape(row));

    assertEquals(text(row, "absmax"), digest(packed.rowAbsmax()), "row absmax");
    assertEquals(text(row, "codes"), digest(packed.codes()), "codes");
    assertArrayEquals(
        StreamSupport.stream(row.get("columns").spliterator(), false)
            .mapToInt(JsonNode::asInt)
            .toArray(),
        packed.outliers().columns());
    if (packed.outliers().columns().length == 0) {
      assertEquals(text(row, "as_float32"), digest(packed.dequantize()), "as float32");
    }
  }

  @ParameterizedTest
  @MethodSource("mean")
  void meanIsThatOfTorch(JsonNode row) {
    float[] values = new float[Shapes.count(DrawnTensor.shape(row))];
    DrawnTensor.draw(row).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(values);
    assertEquals(row.get("mean").asInt(), Float.floatToRawIntBits(TorchMean.mean(values)));
  }

  private static String text(JsonNode row, String key) {
    return row.get(key).asText();
  }

  private static String digest(float[] values) {
    ByteBuffer bytes = ByteBuffer.allocate(4 * values.length).order(ByteOrder.LITTLE_ENDIAN);
    bytes.asFloatBuffer().put(values);
    return digest(bytes);
  }

  private static String digest(ByteBuffer bytes) {
    try {
      MessageDigest sha = MessageDigest.getInstance("SHA-256");
      sha.update(bytes.duplicate());
      return HexFormat.of().formatHex(sha.digest()).substring(0, 32);
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }
}
