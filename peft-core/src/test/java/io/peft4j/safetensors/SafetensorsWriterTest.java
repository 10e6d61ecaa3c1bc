package io.peft4j.safetensors;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import net.jqwik.api.constraints.StringLength;
import net.jqwik.api.constraints.UniqueElements;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class SafetensorsWriterTest {

  @TempDir Path folder;

  @ParameterizedTest
  @ValueSource(strings = {"all.safetensors", "plain.safetensors", "none.safetensors"})
  void writesTheBytesThatPythonWrites(String name) throws IOException {
    Path copy = folder.resolve(name);
    try (SafetensorsFile golden = SafetensorsFile.open(Samples.golden(name))) {
      List<TensorSource> tensors =
          new ArrayList<>(golden.tensors().keySet().stream().map(golden::source).toList());
      Collections.shuffle(tensors, new Random(3));
      SafetensorsWriter.write(copy, tensors, golden.metadata());
    }
    assertArrayEquals(Files.readAllBytes(Samples.golden(name)), Files.readAllBytes(copy));
  }

  @Property(tries = 100)
  void whatIsWrittenIsRead(
      @ForAll @Size(max = 8) @UniqueElements List<@StringLength(max = 12) String> names,
      @ForAll Map<@StringLength(max = 5) String, @StringLength(max = 5) String> metadata,
      @ForAll @IntRange(max = 1000) int seed)
      throws IOException {
    Random random = new Random(seed);
    List<TensorSource> tensors = new ArrayList<>();
    Map<String, byte[]> contents = new HashMap<>();
    for (String name : names) {
      DType dtype = DType.values()[random.nextInt(DType.values().length)];
      List<Long> shape = new ArrayList<>(random.longs(random.nextInt(4), 0, 5).boxed().toList());
      if (dtype.bits() % 8 != 0) {
        shape.add(4L);
      }
      byte[] bytes = new byte[(int) TensorInfo.lengthOf(dtype, shape)];
      random.nextBytes(bytes);
      contents.put(name, bytes);
      tensors.add(TensorSource.of(name, dtype, shape, ByteBuffer.wrap(bytes)));
    }
    Path path = Files.createTempFile("round", ".safetensors");
    try {
      SafetensorsWriter.write(path, tensors, metadata);
      try (SafetensorsFile file = SafetensorsFile.open(path)) {
        assertEquals(metadata, file.metadata());
        assertEquals(new HashSet<>(names), file.tensors().keySet());
        for (TensorSource tensor : tensors) {
          TensorInfo info = file.info(tensor.name());
          assertEquals(tensor.dtype(), info.dtype());
          assertEquals(tensor.shape(), info.shape());
          assertArrayEquals(
              contents.get(tensor.name()), Samples.toArray(file.bytes(tensor.name())));
        }
        long dataStart = Files.size(path) - tensors.stream().mapToLong(TensorSource::length).sum();
        assertEquals(0, dataStart % 8, "data is aligned");
      }
    } finally {
      Files.delete(path);
    }
  }

  /** As the reference implementation, in Rust, writes it. */
  @Test
  void whatIsOutsideTheBasicPlaneIsNotEscaped() throws IOException {
    Path path = folder.resolve("m.safetensors");
    TensorSource tensor =
        TensorSource.of("\ud83d\ude00 é", DType.U8, List.of(1L), ByteBuffer.allocate(1));
    SafetensorsWriter.write(path, List.of(tensor), Map.of());
    String file = new String(Files.readAllBytes(path), StandardCharsets.UTF_8);
    assertTrue(file.contains("{\"\ud83d\ude00 é\":{"), file);
  }

  @Test
  void aFailedSourceLeavesTheOldFileAndNothingElse() throws IOException {
    Path target = Files.writeString(folder.resolve("m.safetensors"), "old");
    Map<String, TensorSource.Content> failing = new LinkedHashMap<>();
    failing.put(
        "disk full",
        out -> {
          out.write(ByteBuffer.allocate(4));
          throw new IOException("disk full");
        });
    failing.put(
        "expected 8 bytes for F32 of shape [2], found 4 ",
        out -> out.write(ByteBuffer.allocate(4)));
    failing.put("found at least 9 ", out -> out.write(ByteBuffer.allocate(9)));
    for (Map.Entry<String, TensorSource.Content> entry : failing.entrySet()) {
      List<TensorSource> tensors =
          List.of(
              TensorSource.of("a", DType.F32, List.of(1L), ByteBuffer.allocate(4)),
              new TensorSource("b", DType.F32, List.of(2L), entry.getValue()));
      Exception e =
          assertThrows(IOException.class, () -> SafetensorsWriter.write(target, tensors, Map.of()));
      assertTrue(e.getMessage().contains(entry.getKey()), e.getMessage());
      assertEquals("old", Files.readString(target));
      assertEquals(List.of(target), list(folder));
    }
  }

  @Test
  void refusesBadTensors() {
    ByteBuffer four = ByteBuffer.allocate(4);
    TensorSource a = TensorSource.of("a", DType.F32, List.of(), four);
    assertRefused(
        "'a' twice", () -> SafetensorsWriter.write(folder.resolve("x"), List.of(a, a), Map.of()));
    assertRefused("expected 8 bytes", () -> TensorSource.of("a", DType.F64, List.of(), four));
    assertRefused("negative", () -> TensorSource.of("a", DType.F32, List.of(-1L), four));
    assertRefused("63 bits", () -> TensorSource.of("a", DType.F32, List.of(1L << 62), four));
    TensorSource half = TensorSource.of("half a pair \ud83d", DType.F32, List.of(), four);
    assertRefused(
        "half a surrogate pair",
        () -> SafetensorsWriter.write(folder.resolve("x"), List.of(half), Map.of()));
    assertRefused(
        "half a surrogate pair",
        () -> SafetensorsWriter.write(folder.resolve("x"), List.of(a), Map.of("k", "\ude00")));
    assertEquals(0, folder.toFile().list().length);
    assertRefused("reserved", () -> TensorSource.of("__metadata__", DType.F32, List.of(), four));
  }

  private static void assertRefused(String part, Executable call) {
    Exception e = assertThrows(IllegalArgumentException.class, call);
    assertTrue(e.getMessage().contains(part), e.getMessage());
  }

  static List<Path> list(Path folder) throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files.sorted().toList();
    }
  }
}
