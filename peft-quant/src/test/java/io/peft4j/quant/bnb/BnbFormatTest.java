package io.peft4j.quant.bnb;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.peft4j.quant.BlockScales;
import io.peft4j.quant.FourBitTensor;
import io.peft4j.quant.Int8Tensor;
import io.peft4j.quant.QuantType;
import io.peft4j.quant.QuantizationConfig;
import io.peft4j.quant.QuantizationException;
import io.peft4j.quant.QuantizedTensor;
import io.peft4j.quant.Quantizer;
import io.peft4j.safetensors.Checkpoint;
import io.peft4j.safetensors.DType;
import io.peft4j.safetensors.SafetensorsWriter;
import io.peft4j.safetensors.TensorSource;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The golden file holds state dicts of bitsandbytes' modules, written by Python's safetensors. */
class BnbFormatTest {
  private static final String GOLDEN = "/io/peft4j/quant/bnb-layout.safetensors";
  private static final List<String> WEIGHTS =
      List.of(
          "int8.weight",
          "nested.fp4.weight",
          "nested.nf4.weight",
          "plain.fp4.weight",
          "plain.nf4.weight");

  @TempDir private Path folder;

  private Path golden() throws IOException {
    Path file = folder.resolve("golden.safetensors");
    try (InputStream in = BnbFormatTest.class.getResourceAsStream(GOLDEN)) {
      Files.write(file, in.readAllBytes());
    }
    return file;
  }

  @Test
  void readsWhatBitsandbytesWrote() throws IOException {
    try (Checkpoint checkpoint = Checkpoint.open(golden())) {
      FourBitTensor nested = (FourBitTensor) BnbFormat.read(checkpoint, "nested.nf4.weight");
      assertEquals(QuantType.NF4, nested.type());
      assertArrayEquals(new long[] {130, 192}, nested.shape());
      assertEquals(64, nested.blockSize());
      assertTrue(nested.scales() instanceof BlockScales.Nested);
      FourBitTensor odd = (FourBitTensor) BnbFormat.read(checkpoint, "plain.fp4.weight");
      assertArrayEquals(new long[] {33, 7}, odd.shape());
      Int8Tensor int8 = (Int8Tensor) BnbFormat.read(checkpoint, "int8.weight");
      assertArrayEquals(new long[] {24, 40}, int8.shape());
      assertTrue(BnbFormat.isQuantized(checkpoint, "int8.weight"));
      assertTrue(!BnbFormat.isQuantized(checkpoint, "int8.SCB"));
    }
  }

  @Test
  void writesTheFileByteForByte() throws IOException {
    Path golden = golden();
    Path rewritten = folder.resolve("rewritten.safetensors");
    try (Checkpoint checkpoint = Checkpoint.open(golden)) {
      List<TensorSource> parts = new ArrayList<>();
      for (String weight : WEIGHTS) {
        parts.addAll(BnbFormat.write(weight, BnbFormat.read(checkpoint, weight)));
      }
      SafetensorsWriter.write(rewritten, parts, Map.of("format", "pt"));
    }
    assertArrayEquals(Files.readAllBytes(golden), Files.readAllBytes(rewritten));
  }

  @Test
  void statesAreSpelledAsPythonSpellsThem() throws IOException {
    ObjectMapper json = new ObjectMapper();
    int states = 0;
    try (InputStream in =
        BnbFormatTest.class.getResourceAsStream("/io/peft4j/quant/goldens.jsonl")) {
      for (String line : new String(in.readAllBytes(), StandardCharsets.UTF_8).split("\n")) {
        String state = json.readTree(line).path("json").asText();
        if (!state.isEmpty()) {
          byte[] bytes = state.getBytes(StandardCharsets.UTF_8);
          byte[] written = QuantState.parse(bytes, state.contains("nested")).toJson();
          assertEquals(state, new String(written, StandardCharsets.UTF_8));
          states++;
        }
      }
    }
    assertTrue(states >= 250, states + " states");
  }

  @Test
  void readsCodesStoredAsWiderElements() throws IOException {
    // bnb_4bit_quant_storage=bfloat16: the same bytes under another type
    assertRead(
        parts ->
            replace(
                parts,
                "nested.nf4.weight",
                old -> new TensorSource(old.name(), DType.BF16, List.of(6240L, 1L), old.content())),
        "nested.nf4.weight");
  }

  private void assertRead(UnaryOperator<List<TensorSource>> change, String weight)
      throws IOException {
    Path changed = changed(change);
    try (Checkpoint checkpoint = Checkpoint.open(changed);
        Checkpoint original = Checkpoint.open(golden())) {
      assertArrayEquals(
          BnbFormat.read(original, weight).dequantize(),
          BnbFormat.read(checkpoint, weight).dequantize());
    }
  }

  private Path changed(UnaryOperator<List<TensorSource>> change) throws IOException {
    Path file = folder.resolve("changed.safetensors");
    try (Checkpoint checkpoint = Checkpoint.open(golden())) {
      List<TensorSource> parts = new ArrayList<>();
      checkpoint.names().forEach(name -> parts.add(checkpoint.source(name)));
      SafetensorsWriter.write(file, change.apply(parts), Map.of());
    }
    return file;
  }

  private static List<TensorSource> replace(
      List<TensorSource> parts, String name, UnaryOperator<TensorSource> change) {
    return parts.stream()
        .map(part -> part.name().equals(name) ? change.apply(part) : part)
        .toList();
  }

  private static TensorSource cut(TensorSource part) {
    long length = part.shape().get(0) - 1;
    byte[] zeros = new byte[(int) length * part.dtype().bytes()];
    return TensorSource.of(part.name(), part.dtype(), List.of(length), ByteBuffer.wrap(zeros));
  }

  private static UnaryOperator<TensorSource> json(String text) {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    return part ->
        TensorSource.of(
            part.name(), DType.U8, List.of((long) bytes.length), ByteBuffer.wrap(bytes));
  }

  private void assertRefused(
      String weight, String part, UnaryOperator<TensorSource> change, String words)
      throws IOException {
    Path file = changed(parts -> replace(parts, part, change));
    try (Checkpoint checkpoint = Checkpoint.open(file)) {
      String message =
          assertThrows(QuantizationException.class, () -> BnbFormat.read(checkpoint, weight))
              .getMessage();
      assertTrue(message.contains(words), message);
      assertTrue(message.startsWith(file.toString()), message);
    }
    Files.delete(file);
  }

  @Test
  void refusesCorruptStates() throws IOException {
    String weight = "nested.nf4.weight";
    String state = weight + ".quant_state.bitsandbytes__nf4";
    assertRefused(weight, state, json("{\"quant_type\":"), "is no JSON");
    assertRefused(weight, state, json("[]"), "expected a JSON object");
    assertRefused(weight, state, json("{}"), "expected 'shape' to be a list of extents");
    String good =
        "{'shape':[130,192],'quant_type':'%s','blocksize':%s,'dtype':'%s',".replace('\'', '"');
    String nested =
        "'nested_dtype':'float32','nested_blocksize':%s,'nested_offset':%s}".replace('\'', '"');
    assertRefused(
        weight,
        state,
        json(
            String.format(Locale.ROOT, good, "fp4", "64", "float16")
                + String.format(Locale.ROOT, nested, "256", "0.1")),
        "expected quant_type as in the name, found fp4");
    assertRefused(
        weight,
        state,
        json(
            String.format(Locale.ROOT, good, "nf4", "65", "float16")
                + String.format(Locale.ROOT, nested, "256", "0.1")),
        "unsupported block size 65");
    assertRefused(
        weight,
        state,
        json(
            String.format(Locale.ROOT, good, "nf4", "\"x\"", "float16")
                + String.format(Locale.ROOT, nested, "256", "0.1")),
        "expected 'blocksize' to be an integer, found \"x\"");
    assertRefused(
        weight,
        state,
        json(
            String.format(Locale.ROOT, good, "nf4", "64", "float8")
                + String.format(Locale.ROOT, nested, "256", "0.1")),
        "unsupported float type 'float8'");
    assertRefused(
        weight,
        state,
        json(
            String.format(Locale.ROOT, good, "nf4", "64", "float16")
                + String.format(Locale.ROOT, nested, "0", "0.1")),
        "unsupported block size 0");
    assertRefused(
        weight,
        state,
        json(
            String.format(Locale.ROOT, good, "nf4", "64", "float16")
                + String.format(Locale.ROOT, nested, "256", "null")),
        "expected 'nested_offset' to be a number");
    assertRefused(
        weight,
        state,
        json(
            String.format(Locale.ROOT, good.replace("130", "131"), "nf4", "64", "float16")
                + String.format(Locale.ROOT, nested, "256", "0.1")),
        "shape [131, 192] takes 12576 bytes of codes, found 12480");
  }

  @Test
  void refusesPartsThatAreCutOrMissing() throws IOException {
    assertRefused(
        "plain.nf4.weight",
        "plain.nf4.weight.absmax",
        BnbFormatTest::cut,
        "takes 24 scales, found 23");
    assertRefused(
        "nested.nf4.weight",
        "nested.nf4.weight.nested_absmax",
        BnbFormatTest::cut,
        "take 2 scales, found 1");
    assertRefused(
        "nested.nf4.weight",
        "nested.nf4.weight.nested_quant_map",
        BnbFormatTest::cut,
        "expected a code book of 256 levels, found 255");
    assertRefused(
        "plain.nf4.weight",
        "plain.nf4.weight.quant_map",
        BnbFormatTest::cut,
        "expected the levels of nf4");
    assertRefused(
        "plain.nf4.weight",
        "plain.nf4.weight.absmax",
        part -> new TensorSource("elsewhere", part.dtype(), part.shape(), part.content()),
        "'plain.nf4.weight.absmax': expected this part of a quantized weight, found none");
    assertRefused(
        "plain.nf4.weight",
        "plain.nf4.weight.quant_state.bitsandbytes__nf4",
        part -> new TensorSource("elsewhere", part.dtype(), part.shape(), part.content()),
        "expected exactly one of");
    assertRefused("int8.weight", "int8.SCB", BnbFormatTest::cut, "24 row scales, found 960 and 23");
    assertRefused(
        "int8.weight",
        "int8.weight_format",
        part -> TensorSource.of(part.name(), DType.U8, List.of(), ByteBuffer.wrap(new byte[] {2})),
        "expected 0 for row-major, found [2]");
  }

  @Test
  void refusesScalesThatAreNotFinite() throws IOException {
    byte[] nan = new byte[24 * 4];
    ByteBuffer.wrap(nan).putInt(4, 0xc07f); // 0x7fc00000 little-endian
    assertRefused(
        "plain.nf4.weight",
        "plain.nf4.weight.absmax",
        part -> TensorSource.of(part.name(), part.dtype(), part.shape(), ByteBuffer.wrap(nan)),
        "expected finite scales from 0 on, found NaN at 1");
  }

  @Test
  void refusesToWriteOutlierColumns() {
    QuantizedTensor packed =
        new Quantizer(QuantizationConfig.of(QuantType.INT8).withOutlierThreshold(1))
            .quantize(new float[] {0, 2}, 1, 2);
    String message =
        assertThrows(QuantizationException.class, () -> BnbFormat.write("a.weight", packed))
            .getMessage();
    assertTrue(message.contains("bitsandbytes has no layout"), message);
  }
}
