package io.peft4j.io;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.sun.jna.Pointer;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class MappedFileTest {

  @TempDir Path folder;

  @Test
  void mappedAndReadAreTheSame() throws IOException {
    Path path = Files.writeString(folder.resolve("a file.bin"), "0123456789");
    for (MappedFile file : List.of(MappedFile.open(path), MappedFile.read(path, 0, 10))) {
      try (file) {
        assertEquals(10, file.length());
        assertEquals(path, file.path());
        assertEquals('3', new Pointer(file.address()).getByte(3));
        assertEquals("345", StandardCharsets.UTF_8.decode(file.buffer(3, 3)).toString());
        assertEquals(ByteOrder.LITTLE_ENDIAN, file.buffer(3, 3).order());
        assertEquals(0, file.buffer(10, 0).remaining());
        assertThrows(IndexOutOfBoundsException.class, () -> file.buffer(8, 3));
        assertThrows(IndexOutOfBoundsException.class, () -> file.buffer(-1, 3));
      }
      file.close();
      assertThrows(IllegalStateException.class, file::address);
      assertThrows(IllegalStateException.class, () -> file.buffer(0, 1));
    }
  }

  @Test
  void aStrayWriteDoesNotReachTheFile() throws IOException {
    Path path = Files.writeString(folder.resolve("base.bin"), "base");
    try (MappedFile file = MappedFile.open(path)) {
      new Pointer(file.address()).setByte(0, (byte) 'X');
      assertEquals('X', file.buffer(0, 1).get());
    }
    assertEquals("base", Files.readString(path));
  }

  @Test
  void replacingTheFileLeavesTheMapping() throws IOException {
    Path path = Files.writeString(folder.resolve("base.bin"), "old");
    try (MappedFile file = MappedFile.open(path)) {
      AtomicFiles.writeString(path, "new");
      assertEquals("old", StandardCharsets.UTF_8.decode(file.buffer(0, 3)).toString());
    }
  }

  @Test
  void mappingIsNotReading() throws IOException {
    // each mapping takes 1 TiB of addresses and no memory
    Path path = folder.resolve("sparse.bin");
    try (RandomAccessFile file = new RandomAccessFile(path.toFile(), "rw")) {
      file.setLength(1L << 40);
    }
    for (int i = 0; i < 300; i++) {
      // without unmapping, 300 of them would exceed the 128 TiB that a process can address
      try (MappedFile file = MappedFile.open(path)) {
        assertNotEquals(0, file.address());
      }
    }
  }

  @Test
  void refusesWhatCannotBeMapped() throws IOException {
    assertThrows(IOException.class, () -> MappedFile.open(folder));
    assertThrows(IOException.class, () -> MappedFile.open(folder.resolve("none")));
    Path empty = Files.createFile(folder.resolve("empty"));
    assertThrows(IOException.class, () -> MappedFile.open(empty));
    Path cut = Files.writeString(folder.resolve("cut"), "123");
    assertThrows(IOException.class, () -> MappedFile.read(cut, 0, 10));
    assertThrows(IOException.class, () -> MappedFile.open(cut, 0, 6));
    assertThrows(IOException.class, () -> MappedFile.open(cut, 5, 1));
    assertThrows(IOException.class, () -> MappedFile.open(cut, 2, 0));
  }

  @Test
  void partsAreAtAnyOffset() throws IOException {
    Path path = folder.resolve("large");
    byte[] bytes = new byte[200_000];
    new Random(1).nextBytes(bytes);
    Files.write(path, bytes);
    for (int offset : new int[] {0, 1, 4096, 65_536, 65_537, 199_000}) {
      int length = Math.min(70_000, bytes.length - offset);
      try (MappedFile mapped = MappedFile.open(path, offset, length);
          MappedFile read = MappedFile.read(path, offset, length)) {
        for (MappedFile part : List.of(mapped, read)) {
          byte[] found = new byte[length];
          part.buffer(0, length).get(found);
          assertArrayEquals(Arrays.copyOfRange(bytes, offset, offset + length), found);
          assertEquals(length, part.length());
        }
      }
    }
  }

  @Test
  void scratchMemoryKeepsWhatIsWrittenAndLeavesNoFile(@TempDir Path folder) throws IOException {
    long length = (1 << 21) + 7;
    try (MappedFile scratch = MappedFile.scratch(folder, length)) {
      assertEquals(0, scratch.buffer(length - 8, 8).getLong());
      scratch.buffer(length - 8, 8).putLong(42);
      scratch.buffer(1 << 20, 8).putLong(43);
      scratch.release(0, length);
      scratch.prefetch(0, length);
      assertEquals(42, scratch.buffer(length - 8, 8).getLong());
      assertEquals(43, scratch.buffer(1 << 20, 8).getLong());
      try (var files = Files.list(folder)) {
        assertEquals(0, files.count());
      }
    }
    assertThrows(IOException.class, () -> MappedFile.scratch(folder.resolve("none"), 8));
  }
}
