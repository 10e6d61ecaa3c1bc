package io.peft4j.safetensors;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.jna.Pointer;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

class SafetensorsFileTest {

  @TempDir Path folder;

  @ParameterizedTest
  @EnumSource(
      value = DType.class,
      names = {"BOOL", "F8_E8M0", "F6_E3M2", "F6_E2M3", "F4"},
      mode = EnumSource.Mode.EXCLUDE)
  void readsEveryTypeThatPythonWrote(DType dtype) throws IOException {
    try (SafetensorsFile file = SafetensorsFile.open(Samples.golden("all.safetensors"))) {
      TensorInfo info = file.info("t." + dtype);
      assertEquals(dtype, info.dtype());
      assertEquals(List.of(2L, 3L), info.shape());
      assertEquals(6, info.elements());
      ByteBuffer bytes = file.bytes("t." + dtype);
      for (int i = 0; i < 6; i++) {
        assertEquals(i, valueAt(bytes, i, dtype), "element " + i);
      }
      assertEquals(
          bytes.get(dtype.bytes()),
          new Pointer(file.address("t." + dtype)).getByte(dtype.bytes()),
          "the address is that of the buffer");
    }
  }

  private static double valueAt(ByteBuffer bytes, int i, DType dtype) {
    int at = i * dtype.bytes();
    return switch (dtype) {
      case F64 -> bytes.getDouble(at);
      case F32 -> bytes.getFloat(at);
      case BF16 -> Float.intBitsToFloat(bytes.getShort(at) << 16);
      // exact for 0 and for normal numbers
      case F16 ->
          bytes.getShort(at) == 0
              ? 0
              : Float.intBitsToFloat((bytes.getShort(at) << 13) + (112 << 23));
      case C64 -> bytes.getFloat(at);
      case F8_E4M3 -> eight(bytes.get(at), 3, 7);
      case F8_E4M3FNUZ -> eight(bytes.get(at), 3, 8);
      case F8_E5M2 -> eight(bytes.get(at), 2, 15);
      case F8_E5M2FNUZ -> eight(bytes.get(at), 2, 16);
      case I64, U64 -> bytes.getLong(at);
      case I32, U32 -> bytes.getInt(at);
      case I16, U16 -> bytes.getShort(at);
      case I8, U8, BOOL -> bytes.get(at);
      case F8_E8M0, F6_E3M2, F6_E2M3, F4 -> throw new IllegalArgumentException();
    };
  }

  /** Exact for 0 and for normal numbers. */
  private static double eight(int code, int mantissa, int bias) {
    int fraction = code & ((1 << mantissa) - 1);
    return code == 0
        ? 0
        : Math.scalb(1 + Math.scalb((double) fraction, -mantissa), (code >> mantissa) - bias);
  }

  @Test
  void readsTypesOfLessThanAByte() throws IOException {
    try (SafetensorsFile file = SafetensorsFile.open(Samples.golden("all.safetensors"))) {
      TensorInfo four = file.info("t.F4");
      assertEquals(DType.F4, four.dtype());
      assertEquals(List.of(12L), four.shape());
      assertEquals(12, four.elements());
      assertEquals(6, four.length());
      assertEquals(DType.F8_E8M0, file.info("t.F8_E8M0").dtype());
    }
    String six = "{\"a\":{\"dtype\":\"F6_E2M3\",\"shape\":[4],\"data_offsets\":[0,3]}}";
    try (SafetensorsFile file = SafetensorsFile.open(Samples.file(folder, six, 3))) {
      assertEquals(4, file.info("a").elements());
    }
    assertThrows(IllegalStateException.class, DType.F6_E3M2::bytes);
  }

  @Test
  void readsScalarsEmptyTensorsBooleansAndOddNames() throws IOException {
    try (SafetensorsFile file = SafetensorsFile.open(Samples.golden("all.safetensors"))) {
      assertEquals(List.of(), file.info("scalar").shape());
      assertEquals(1, file.info("scalar").elements());
      assertEquals(1.5f, file.bytes("scalar").getFloat());
      assertEquals(List.of(0L, 3L), file.info("empty").shape());
      assertEquals(0, file.info("empty").elements());
      assertEquals(0, file.bytes("empty").remaining());
      assertArrayEquals(new byte[] {1, 0, 1}, Samples.toArray(file.bytes("t.BOOL")));
      assertEquals(1f, file.bytes("é\"\\\n\u0001\u001f/\u007f").getFloat());
      assertEquals(Map.of("format", "pt"), file.metadata());
      assertEquals("t.U64", file.tensors().keySet().iterator().next());
      assertEquals(25, file.tensors().size());
    }
  }

  @Test
  void afterCloseNothingIsHandedOut() throws IOException {
    SafetensorsFile file = SafetensorsFile.open(Samples.golden("plain.safetensors"));
    file.close();
    file.close();
    assertThrows(IllegalStateException.class, () -> file.address("w"));
    assertThrows(IllegalStateException.class, () -> file.bytes("w"));
  }

  @Test
  void unknownTensorIsNamed() throws IOException {
    try (SafetensorsFile file = SafetensorsFile.open(Samples.golden("plain.safetensors"))) {
      Exception e = assertThrows(IllegalArgumentException.class, () -> file.bytes("nope"));
      assertTrue(e.getMessage().contains("plain.safetensors"), e.getMessage());
      assertTrue(e.getMessage().contains("'nope'"), e.getMessage());
    }
  }

  /** Each header, the bytes of data behind it, and what the message must say. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "[]| 0| expected the header to be a JSON object, found []",
        "{\"a\"| 0| expected a header in JSON",
        "{} x| 0| expected a header in JSON",
        "{}| 1| bytes behind the last tensor",
        "{\"a\":1}| 0| tensor 'a': expected an object, found 1",
        "{\"__metadata__\":1}| 0| expected __metadata__ to be an object, found 1",
        "{\"__metadata__\":{\"k\":1}}| 0| expected __metadata__.k to be a string, found 1",
        "{\"a\":{\"shape\":[],\"data_offsets\":[0,1]}}| 1| expected a dtype of [U64, I64, F64, C64, F32, U32, I32, BF16, F16, U16, I16, F8_E5M2FNUZ, F8_E4M3FNUZ, F8_E8M0, F8_E4M3, F8_E5M2, I8, U8, F6_E3M2, F6_E2M3, F4, BOOL], found nothing",
        "{\"a\":{\"dtype\":\"F8\",\"shape\":[],\"data_offsets\":[0,1]}}| 1| found \"F8\"",
        "{\"a\":{\"dtype\":\"U8\",\"shape\":1,\"data_offsets\":[0,1]}}| 1| expected shape to be an array, found 1",
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[-1],\"data_offsets\":[0,1]}}| 1| expected shape to hold integers from 0 to 2^63-1, found -1",
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[1.0],\"data_offsets\":[0,1]}}| 1| found 1.0",
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[9223372036854775808],\"data_offsets\":[0,1]}}| 1| found 9223372036854775808",
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}| 0| expected a size within 63 bits and of whole bytes, found U8 of shape [4294967296, 4294967296]",
        "{\"a\":{\"dtype\":\"F4\",\"shape\":[3],\"data_offsets\":[0,2]}}| 2| of whole bytes, found F4 of shape [3]",
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[1]}}| 1| expected data_offsets to be an array, found nothing",
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1,2]}}| 1| expected data_offsets of 2 numbers, found [0, 1, 2]",
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[-1,0]}}| 1| expected data_offsets to hold integers",
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,0]}}| 1| expected 1 bytes for U8 of shape [1], found data_offsets [1, 0]",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}| 4| expected 8 bytes for F32 of shape [2], found data_offsets [0, 4]",
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}| 2| there is a hole",
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},\"b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}| 2| tensor 'b': expected data_offsets to begin at 2, where the tensor before it ends, found 1 (they overlap)",
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[0,3]}}| 2| tensor 'a': expected its data to end within 2 bytes of data, found an end at 3",
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[9223372036854775807,9223372036854775807]}}| 0| expected data_offsets within the file",
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0,1]},\"a\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0,1]}}| 1| Duplicate field 'a'",
        "{\"a\":{\"dtype\":\"U8\",\"dtype\":\"I8\",\"shape\":[],\"data_offsets\":[0,1]}}| 1| Duplicate field 'dtype'",
      })
  void namesWhatIsWrong(String header, int dataBytes, String expected) throws IOException {
    Path path = Samples.file(folder, header, dataBytes);
    Exception e = assertThrows(SafetensorsException.class, () -> SafetensorsFile.open(path));
    assertTrue(e.getMessage().startsWith(path.toString()), e.getMessage());
    assertTrue(e.getMessage().contains(expected), e.getMessage());
  }

  @Test
  void acceptsWhatThePythonPackageAccepts() throws IOException {
    String tensor = "{\"dtype\":\"U8\",\"shape\":[%s],\"data_offsets\":[0,%s],\"extra\":1}";
    for (String header :
        List.of(
            " {\"a\":" + String.format(Locale.ROOT, tensor, 1, 1) + "}  ",
            "{\"__metadata__\":null,\"a\":" + String.format(Locale.ROOT, tensor, 1, 1) + "}",
            // two empty tensors at one place, declared behind the tensor they lie before
            String.format(
                Locale.ROOT,
                "{\"a\":%s,\"b\":%s,\"c\":%s}",
                String.format(Locale.ROOT, tensor, 1, 1),
                String.format(Locale.ROOT, tensor, 0, 0),
                String.format(Locale.ROOT, tensor, 0, 0)))) {
      try (SafetensorsFile file = SafetensorsFile.open(Samples.file(folder, header, 1))) {
        assertEquals(1, file.info("a").elements());
      }
    }
  }

  @Test
  void refusesWhatIsNoSafetensorsFileAtAll() throws IOException {
    Path path = folder.resolve("x.safetensors");
    assertMessage(IOException.class, path, "found nothing");
    Files.createFile(path);
    assertMessage(IOException.class, path, "is empty");
    Files.writeString(path, "1234567");
    assertMessage(SafetensorsException.class, path, "expected at least 8 bytes, found 7");
    Files.writeString(path, "PK34567890");
    assertMessage(SafetensorsException.class, path, "not a safetensors file?");
    Files.write(path, new byte[] {-1, -1, -1, -1, -1, -1, -1, -1, 0});
    assertMessage(SafetensorsException.class, path, "18446744073709551615");
    Files.write(path, new byte[] {2, 0, 0, 0, 0, 0, 0, 0, (byte) 0xff, (byte) 0xfe});
    assertMessage(SafetensorsException.class, path, "expected a header in UTF-8");
    assertMessage(IOException.class, folder, "a folder");
    Files.writeString(
        path, "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12\n");
    assertMessage(IllegalArgumentException.class, path, "git lfs pull");
  }

  private static void assertMessage(Class<? extends Exception> type, Path path, String part) {
    Exception e = assertThrows(type, () -> SafetensorsFile.open(path));
    assertTrue(e.getMessage().contains(path.toString()), e.getMessage());
    assertTrue(e.getMessage().contains(part), e.getMessage());
  }

  @Test
  void aFileCutAnywhereIsRefused() throws IOException {
    byte[] whole = Files.readAllBytes(Samples.golden("all.safetensors"));
    Path path = folder.resolve("cut.safetensors");
    for (int length = 1; length < whole.length; length++) {
      Files.write(path, Arrays.copyOf(whole, length));
      assertThrows(
          SafetensorsException.class, () -> SafetensorsFile.open(path), "cut to " + length);
    }
  }

  @Test
  void aFileWithFlippedBitsIsRefusedOrReadWithinItsBounds() throws IOException {
    byte[] whole = Files.readAllBytes(Samples.golden("all.safetensors"));
    int header = 8 + ByteBuffer.wrap(whole).order(ByteOrder.LITTLE_ENDIAN).getInt();
    Random random = new Random(1);
    Path path = folder.resolve("flipped.safetensors");
    int refused = 0;
    for (int round = 0; round < 3000; round++) {
      byte[] bytes = whole.clone();
      for (int flips = random.nextInt(3); flips >= 0; flips--) {
        bytes[random.nextInt(header)] ^= (byte) (1 << random.nextInt(8));
      }
      Files.write(path, bytes);
      try (SafetensorsFile file = SafetensorsFile.open(path)) {
        long total = 0;
        for (String name : file.tensors().keySet()) {
          total += Samples.toArray(file.bytes(name)).length;
        }
        assertEquals(bytes.length - header, total);
      } catch (SafetensorsException e) {
        refused++;
      }
    }
    assertTrue(refused > 1500, "most flips hit something that matters, but only " + refused);
  }

  @Test
  void readsBeyondFourGibibytes() throws IOException {
    long big = 5L << 30;
    String json =
        String.format(
            Locale.ROOT,
            """
        {"big":{"dtype":"U8","shape":[%d],"data_offsets":[0,%d]},\
        "last":{"dtype":"F32","shape":[1],"data_offsets":[%d,%d]}}""",
            big,
            big,
            big,
            big + 4);
    Path path = Samples.file(folder, json, 0);
    try (RandomAccessFile file = new RandomAccessFile(path.toFile(), "rw")) {
      // sparse: it takes no space on the disk
      file.seek(8 + json.getBytes(StandardCharsets.UTF_8).length + big);
      file.writeInt(Integer.reverseBytes(Float.floatToIntBits(4.25f)));
    }
    try (SafetensorsFile file = SafetensorsFile.open(path)) {
      assertEquals(4.25f, file.bytes("last").getFloat());
      assertEquals(4.25f, new Pointer(file.address("last")).getFloat(0));
      assertEquals(0, new Pointer(file.address("big")).getByte(big - 1));
      Exception e = assertThrows(IllegalArgumentException.class, () -> file.bytes("big"));
      assertTrue(e.getMessage().contains("found 5368709120"), e.getMessage());
    }
  }
}
