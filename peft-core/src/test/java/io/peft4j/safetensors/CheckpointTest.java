package io.peft4j.safetensors;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class CheckpointTest {

  private static final String SHARD = "model-00002-of-00003.safetensors";

  @TempDir Path folder;

  @Test
  void readsAShardedFolder() throws IOException {
    try (Checkpoint checkpoint = Checkpoint.open(Samples.golden("sharded"))) {
      assertEquals(Set.of("a", "b", "é", "d", "e"), checkpoint.names());
      assertEquals(3, checkpoint.files().size());
      assertEquals(52, checkpoint.totalBytes());
      assertEquals(Map.of("format", "pt"), checkpoint.metadata());
      assertEquals(5f, checkpoint.bytes("b").getFloat(20));
      assertEquals(6, checkpoint.bytes("e").getLong());
      assertEquals(List.of(2L), checkpoint.info("d").shape());
      assertTrue(checkpoint.address("d") != 0);
      assertThrows(IllegalArgumentException.class, () -> checkpoint.info("c"));
    }
  }

  @Test
  void readsASingleFileFromItsFolderOrByItself() throws IOException {
    Path file = Files.copy(Samples.golden("plain.safetensors"), folder.resolve(Checkpoint.SINGLE));
    for (Path path : List.of(folder, file)) {
      try (Checkpoint checkpoint = Checkpoint.open(path)) {
        assertEquals(Set.of("w"), checkpoint.names());
        assertEquals(file, checkpoint.path());
      }
    }
  }

  @Test
  void readsThroughTheLinksOfAHuggingFaceCache() throws IOException {
    Path blobs = Files.createDirectories(folder.resolve("blobs"));
    Path snapshot = Files.createDirectories(folder.resolve("snapshots/1234"));
    for (Path file : SafetensorsWriterTest.list(Samples.golden("sharded"))) {
      String name = file.getFileName().toString();
      Files.copy(file, blobs.resolve("blob-" + name));
      Files.createSymbolicLink(snapshot.resolve(name), Path.of("../../blobs/blob-" + name));
    }
    try (Checkpoint checkpoint = Checkpoint.open(snapshot)) {
      assertEquals(5, checkpoint.names().size());
    }
  }

  /** transformers loads all of a shard, and so a head that the index does not list. */
  @Test
  void whatAShardHoldsCountsListedOrNot() throws IOException {
    Path golden = Samples.golden("sharded");
    for (Path file : SafetensorsWriterTest.list(golden)) {
      Files.copy(file, folder.resolve(file.getFileName()));
    }
    Path index = folder.resolve(Checkpoint.INDEX);
    String whole = Files.readString(index);
    String less = whole.replaceFirst("(?m)^\\s*\"a\": \"[^\"]*\",?\\R", "");
    assertNotEquals(whole, less);
    Files.writeString(index, less);
    try (Checkpoint checkpoint = Checkpoint.open(folder);
        Checkpoint expected = Checkpoint.open(golden)) {
      assertEquals(expected.names(), checkpoint.names());
      assertEquals(expected.info("a"), checkpoint.info("a"));
    }
  }

  @Test
  void picklesAreNamedAndHowToConvertThem() throws IOException {
    for (String name : List.of("pytorch_model.bin", "pytorch_model.bin.index.json")) {
      Path pickle = Files.writeString(folder.resolve(name), "x");
      IOException e = assertThrows(IOException.class, () -> Checkpoint.open(folder));
      assertTrue(e.getMessage().startsWith(pickle + ": is a pickle"), e.getMessage());
      assertTrue(e.getMessage().contains("save_pretrained"), e.getMessage());
      Files.delete(pickle);
    }
  }

  @Test
  void writesTheShardsAndIndexThatPythonWrites() throws IOException {
    Path golden = Samples.golden("sharded");
    // leftovers of an earlier checkpoint go, other files stay
    Files.writeString(folder.resolve(Checkpoint.SINGLE), "old");
    Files.writeString(folder.resolve("model-00004-of-00004.safetensors"), "old");
    Files.writeString(folder.resolve("config.json"), "{}");
    try (Checkpoint checkpoint = Checkpoint.open(golden)) {
      // the order in which the Python script had them
      List<TensorSource> tensors =
          List.of("a", "b", "é", "d", "e").stream().map(checkpoint::source).toList();
      CheckpointWriter.write(folder, tensors, checkpoint.metadata(), 16);
    }
    assertEquals("{}", Files.readString(folder.resolve("config.json")));
    Files.delete(folder.resolve("config.json"));
    List<Path> written = SafetensorsWriterTest.list(folder);
    assertEquals(
        SafetensorsWriterTest.list(golden).stream().map(Path::getFileName).toList(),
        written.stream().map(Path::getFileName).toList());
    for (Path file : written) {
      assertArrayEquals(
          Files.readAllBytes(golden.resolve(file.getFileName())), Files.readAllBytes(file));
    }
    try (Checkpoint checkpoint = Checkpoint.open(folder)) {
      // over itself, unsharded now
      CheckpointWriter.write(
          folder,
          checkpoint.names().stream().map(checkpoint::source).toList(),
          checkpoint.metadata(),
          CheckpointWriter.DEFAULT_SHARD_BYTES);
    }
    assertEquals(List.of(folder.resolve(Checkpoint.SINGLE)), SafetensorsWriterTest.list(folder));
  }

  @Test
  void aFailedSourceLeavesTheFolderAsItWas() throws IOException {
    Path old = Files.writeString(folder.resolve(Checkpoint.SINGLE), "old");
    List<TensorSource> tensors =
        List.of(
            TensorSource.of("a", DType.F32, List.of(), ByteBuffer.allocate(4)),
            new TensorSource(
                "b",
                DType.F32,
                List.of(),
                out -> {
                  throw new IOException("disk full");
                }));
    assertThrows(IOException.class, () -> CheckpointWriter.write(folder, tensors, Map.of(), 4));
    assertEquals(List.of(old), SafetensorsWriterTest.list(folder));
    assertEquals("old", Files.readString(old));
    assertThrows(
        IllegalArgumentException.class, () -> CheckpointWriter.write(folder, tensors, Map.of(), 0));
    TensorSource a = tensors.get(0);
    assertThrows(
        IllegalArgumentException.class,
        () -> CheckpointWriter.write(folder, List.of(a, a), Map.of(), 4));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "../model.safetensors",
        "/etc/passwd",
        "x/../../m",
        "a/./b",
        "..",
        "",
        " ",
        "a\\\\b",
        "C:m",
        "\\u0000"
      })
  void aShardNameMustStayInsideTheFolder(String name) throws IOException {
    writeIndex(String.format(Locale.ROOT, "{\"weight_map\":{\"a\":\"%s\"}}", name));
    assertBad("tensor 'a': expected the name of a file within the index's folder");
  }

  @Test
  void namesWhatIsWrongWithAnIndex() throws IOException {
    assertThrows(IOException.class, () -> Checkpoint.open(folder));
    assertThrows(IOException.class, () -> Checkpoint.open(folder.resolve("no.safetensors")));
    assertThrows(IOException.class, () -> Checkpoint.open(folder.resolve("no.index.json")));
    for (String bad :
        List.of(
            "",
            "{",
            "[]",
            "{}",
            "{\"weight_map\":[]}",
            "{\"weight_map\":{}}",
            "{\"weight_map\":{\"a\":1}}",
            "{\"weight_map\":{\"a\":\"x\",\"a\":\"x\"}}")) {
      writeIndex(bad);
      assertBad("expected");
    }
    writeIndex("{\"weight_map\":{\"a\":\"gone.safetensors\"}}");
    Exception gone = assertThrows(IOException.class, () -> Checkpoint.open(folder));
    assertTrue(gone.getMessage().contains("gone.safetensors"), gone.getMessage());
    Files.copy(Samples.golden("plain.safetensors"), folder.resolve("plain.safetensors"));
    writeIndex("{\"weight_map\":{\"w\":\"plain.safetensors\",\"v\":\"plain.safetensors\"}}");
    assertBad("expected tensor 'v' in plain.safetensors, found none");
  }

  @Test
  void aShardCutAnywhereIsRefused() throws IOException {
    copySharded();
    byte[] whole = Files.readAllBytes(folder.resolve(SHARD));
    for (int length = 1; length < whole.length; length++) {
      Files.write(folder.resolve(SHARD), Arrays.copyOf(whole, length));
      assertBad(SHARD);
    }
  }

  @Test
  void anIndexWithFlippedBitsIsRefusedOrRead() throws IOException {
    copySharded();
    Path index = folder.resolve(Checkpoint.INDEX);
    byte[] whole = Files.readAllBytes(index);
    Random random = new Random(2);
    int read = 0;
    for (int round = 0; round < 1000; round++) {
      byte[] bytes = whole.clone();
      bytes[random.nextInt(bytes.length)] ^= (byte) (1 << random.nextInt(8));
      Files.write(index, bytes);
      try (Checkpoint checkpoint = Checkpoint.open(folder)) {
        checkpoint.names().forEach(name -> Samples.toArray(checkpoint.bytes(name)));
        read++;
      } catch (IOException | SafetensorsException e) {
        assertTrue(e.getMessage().contains(folder.toString()), e.getMessage());
      }
    }
    assertTrue(read > 0 && read < 500, "read " + read + " of 1000");
  }

  private void copySharded() throws IOException {
    for (Path file : SafetensorsWriterTest.list(Samples.golden("sharded"))) {
      Files.copy(file, folder.resolve(file.getFileName()));
    }
  }

  private void writeIndex(String json) throws IOException {
    Files.writeString(folder.resolve(Checkpoint.INDEX), json);
  }

  private void assertBad(String part) {
    Exception e = assertThrows(SafetensorsException.class, () -> Checkpoint.open(folder));
    assertTrue(e.getMessage().contains(part), e.getMessage());
  }
}
