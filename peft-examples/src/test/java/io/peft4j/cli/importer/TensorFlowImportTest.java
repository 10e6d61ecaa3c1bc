package io.peft4j.cli.importer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TensorFlowImportTest {

  @TempDir Path folder;

  @ParameterizedTest
  @CsvSource({
    "module/bert/embeddings/word_embeddings, bert.embeddings.word_embeddings.weight",
    "module/bert/embeddings/LayerNorm/gamma, bert.embeddings.LayerNorm.weight",
    "module/bert/encoder/layer_11/attention/self/query/kernel, bert.encoder.layer.11.attention.self.query.weight",
    "module/bert/encoder/layer_0/output/LayerNorm/beta, bert.encoder.layer.0.output.LayerNorm.bias",
    "module/cls/predictions/output_bias, cls.predictions.bias",
    "module/cls/predictions/transform/dense/kernel, cls.predictions.transform.dense.weight",
  })
  void knowsHuggingFacesNames(String variable, String parameter) {
    assertEquals(parameter, TensorFlowImport.parameterOf(variable));
  }

  @Test
  void readsATableAndChecksIt() {
    Map<String, byte[]> entries = new TreeMap<>();
    for (int i = 0; i < 200; i++) {
      entries.put(
          String.format(Locale.ROOT, "module/layer_%03d/kernel", i), new byte[] {(byte) i, 1});
    }
    byte[] table = table(entries);
    Map<String, ByteBuffer> read = LevelDbTable.read("t", ByteBuffer.wrap(table));
    assertEquals(List.copyOf(entries.keySet()), List.copyOf(read.keySet()));
    entries.forEach((key, value) -> assertEquals(ByteBuffer.wrap(value), read.get(key)));

    for (int length = 0; length < table.length; length += 3) {
      byte[] cut = Arrays.copyOf(table, length);
      assertThrows(
          IllegalArgumentException.class, () -> LevelDbTable.read("t", ByteBuffer.wrap(cut)));
    }
    Random random = new Random(5);
    int unread = 0;
    for (int round = 0; round < 1000; round++) {
      byte[] bytes = table.clone();
      bytes[random.nextInt(table.length)] ^= (byte) (1 << random.nextInt(8));
      try {
        // the meta block and the footer's padding are not read
        assertEquals(read, LevelDbTable.read("t", ByteBuffer.wrap(bytes)));
        unread++;
      } catch (IllegalArgumentException e) {
        assertTrue(e.getMessage().startsWith("t: "), e.getMessage());
      }
    }
    assertTrue(unread < 50, unread + " of 1000 flipped bits went unnoticed");
  }

  @Test
  void namesWhatIsWrongWithABundle() throws IOException {
    byte[] data = new byte[16];
    int crc = LevelDbTable.maskedCrc(ByteBuffer.wrap(data));
    assertBad("expected a zipped SavedModel with [", new byte[0], Map.of());
    assertBad("found 0 layers", data, Map.of("module/bert/x/bias", entry(1, 0, 16, crc)));
    assertBad("found type 2 in shard 0", data, Map.of("v", entry(2, 0, 16, crc)));
    assertBad("found 16 bytes at 1", data, Map.of("v", entry(1, 1, 16, crc)));
    assertBad("expected the checksum 00000001", data, Map.of("v", entry(1, 0, 16, 1)));
    assertBad(
        "expected 16 bytes for F32",
        data,
        Map.of("v", entry(1, 0, 12, LevelDbTable.maskedCrc(ByteBuffer.allocate(12)))));
    assertBad("found broken protobuf", data, Map.of("v", new byte[] {10, 99}));
  }

  private void assertBad(String part, byte[] data, Map<String, byte[]> variables)
      throws IOException {
    byte[] zip =
        data.length == 0
            ? zip(Map.of())
            : zip(
                Map.of(
                    "variables/variables.index", table(new TreeMap<>(variables)),
                    "variables/variables.data-00000-of-00001", data,
                    "assets/vocab.txt", "a\n".getBytes(StandardCharsets.UTF_8)));
    Path model = folder.resolve("model");
    Exception e =
        assertThrows(
            IllegalArgumentException.class,
            () ->
                ModelFolder.makeOnce(
                    model,
                    staging ->
                        TensorFlowImport.run(new ByteArrayInputStream(zip), "b.zip", 2, staging)));
    assertTrue(e.getMessage().contains(part), e.getMessage());
    assertTrue(!model.toFile().exists());
  }

  private static byte[] entry(int type, long offset, long size, int crc) {
    Protobuf dimension = Protobuf.message().number(1, 4);
    return Protobuf.message()
        .number(1, type)
        .message(2, Protobuf.message().message(2, dimension))
        .number(4, offset)
        .number(5, size)
        .fixed32(6, crc)
        .toByteArray();
  }

  private static byte[] zip(Map<String, byte[]> members) throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (ZipOutputStream zip = new ZipOutputStream(bytes)) {
      for (Map.Entry<String, byte[]> member : members.entrySet()) {
        zip.putNextEntry(new ZipEntry(member.getKey()));
        zip.write(member.getValue());
      }
    }
    return bytes.toByteArray();
  }

  /** A LevelDB table with 50 entries a block. */
  private static byte[] table(Map<String, byte[]> entries) {
    ByteArrayOutputStream file = new ByteArrayOutputStream();
    Map<String, byte[]> index = new TreeMap<>();
    Map<String, byte[]> block = new TreeMap<>();
    for (Map.Entry<String, byte[]> entry : entries.entrySet()) {
      block.put(entry.getKey(), entry.getValue());
      if (block.size() == 50) {
        index.put(entry.getKey(), writeBlock(file, block));
        block.clear();
      }
    }
    index.put("~", writeBlock(file, block));
    ByteArrayOutputStream footer = new ByteArrayOutputStream();
    footer.writeBytes(writeBlock(file, Map.of()));
    footer.writeBytes(writeBlock(file, index));
    file.writeBytes(Arrays.copyOf(footer.toByteArray(), 40));
    file.writeBytes(littleEndian(0xdb4775248b80fb57L));
    return file.toByteArray();
  }

  /** Appends a block and gives its handle. */
  private static byte[] writeBlock(ByteArrayOutputStream file, Map<String, byte[]> entries) {
    ByteArrayOutputStream block = new ByteArrayOutputStream();
    String before = "";
    for (Map.Entry<String, byte[]> entry : entries.entrySet()) {
      int shared = 0;
      while (shared < before.length() && before.charAt(shared) == entry.getKey().charAt(shared)) {
        shared++;
      }
      byte[] rest = entry.getKey().substring(shared).getBytes(StandardCharsets.UTF_8);
      writeVarint(block, shared);
      writeVarint(block, rest.length);
      writeVarint(block, entry.getValue().length);
      block.writeBytes(rest);
      block.writeBytes(entry.getValue());
      before = entry.getKey();
    }
    block.writeBytes(littleEndian(1L << 32)); // one restart, at 0
    ByteArrayOutputStream handle = new ByteArrayOutputStream();
    writeVarint(handle, file.size());
    writeVarint(handle, block.size());
    block.write(0);
    int crc = LevelDbTable.maskedCrc(ByteBuffer.wrap(block.toByteArray()));
    file.writeBytes(block.toByteArray());
    file.writeBytes(Arrays.copyOf(littleEndian(crc), 4));
    return handle.toByteArray();
  }

  private static void writeVarint(ByteArrayOutputStream out, int value) {
    for (; value > 127; value >>>= 7) {
      out.write(value & 127 | 128);
    }
    out.write(value);
  }

  private static byte[] littleEndian(long value) {
    return ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(value).array();
  }
}
