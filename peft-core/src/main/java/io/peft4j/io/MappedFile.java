package io.peft4j.io;

import com.sun.jna.Library;
import com.sun.jna.Native;
import com.sun.jna.Platform;
import com.sun.jna.Pointer;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.Charset;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Objects;

/**
 * A file, or a part of one, as one range of native memory, of any size. {@link FileChannel#map}
 * cannot do that: it stops at 2 GiB and leaves unmapping to the garbage collector.
 *
 * <p>On Unix the pages are the file's own ({@code mmap}), read when touched and shared with other
 * processes. The mapping is private and writable: a stray write lands in a private page and reaches
 * neither the file nor a signal handler. Where there is no {@code mmap} the file is read into
 * allocated memory.
 *
 * <p>The file must not be cut while it is mapped: touching a page past its new end kills the
 * process, as with every {@code mmap}. Replacing it by a rename, as {@link AtomicFiles} does, is
 * fine.
 *
 * <p>Safe for use by several threads, except that nobody may touch the memory during or after
 * {@link #close()}.
 */
public final class MappedFile implements AutoCloseable {

  private static final boolean HAS_MMAP =
      (Platform.isLinux() || Platform.isMac() || Platform.isFreeBSD()) && Native.POINTER_SIZE == 8;

  /** A mapping begins at a multiple of this: at least any system's page. */
  private static final long ALIGNMENT = 1 << 16;

  private final Path path;
  private final long length;
  private final boolean paged;
  private final Runnable release;
  private long address;

  private MappedFile(Path path, long length, long address, boolean paged, Runnable release) {
    this.path = path;
    this.length = length;
    this.address = address;
    this.paged = paged;
    this.release = release;
  }

  /**
   * Maps {@code path} from its first byte to its last.
   *
   * @throws IOException if there is no such regular file, if it is empty, or if it cannot be opened
   *     or mapped
   */
  public static MappedFile open(Path path) throws IOException {
    long size = sizeOf(path);
    return HAS_MMAP ? map(path, 0, size) : read(path, 0, size);
  }

  /**
   * Maps {@code length} bytes of {@code path} from {@code offset} on: the first of them is this
   * object's offset 0.
   *
   * @throws IOException as {@link #open(Path)}, or if the file has not that many bytes
   */
  public static MappedFile open(Path path, long offset, long length) throws IOException {
    long size = sizeOf(path);
    if (offset < 0 || length <= 0 || offset > size - length) {
      throw new IOException(
          path + ": expected " + length + " bytes at " + offset + ", found " + size + " in all");
    }
    return HAS_MMAP ? map(path, offset, length) : read(path, offset, length);
  }

  /**
   * Memory of zeros whose pages lie in a file in {@code folder} that has no name any more, so that
   * the system can write them out when memory is short, and nothing is left whatever becomes of
   * this process. What is written to it stays through {@link #release}. On systems without {@code
   * mmap} it is allocated memory.
   *
   * @throws IOException if the folder has no room for {@code length} bytes, or cannot be written to
   */
  public static MappedFile scratch(Path folder, long length) throws IOException {
    Path path = Files.createTempFile(folder, "peft4j", ".scratch");
    try {
      // written out: on a full disk a page of a hole would end the process when it is touched
      try (FileChannel out = FileChannel.open(path, StandardOpenOption.WRITE)) {
        ByteBuffer zeros = ByteBuffer.allocateDirect(1 << 20);
        for (long at = 0; at < length; ) {
          zeros.clear().limit((int) Math.min(zeros.capacity(), length - at));
          at += out.write(zeros, at);
        }
      } catch (IOException e) {
        throw new IOException(
            folder + ": cannot keep " + length + " bytes there: " + e.getMessage(), e);
      }
      return HAS_MMAP ? map(path, 0, length, LibC.MAP_SHARED) : read(path, 0, length);
    } finally {
      Files.delete(path);
    }
  }

  private static long sizeOf(Path path) throws IOException {
    if (!Files.isRegularFile(path)) {
      throw new IOException(path + ": expected a regular file, found " + kindOf(path));
    }
    long length = Files.size(path);
    if (length == 0) {
      throw new IOException(path + ": the file is empty");
    }
    return length;
  }

  private static String kindOf(Path path) {
    if (Files.isDirectory(path)) {
      return "a folder";
    }
    return Files.exists(path) ? "something else" : "nothing";
  }

  private static MappedFile map(Path path, long offset, long length) throws IOException {
    return map(path, offset, length, LibC.MAP_PRIVATE | LibC.MAP_NORESERVE);
  }

  private static MappedFile map(Path path, long offset, long length, int kind) throws IOException {
    long before = offset % ALIGNMENT;
    long mapped = before + length;
    boolean shared = (kind & LibC.MAP_SHARED) != 0;
    int descriptor = LibC.INSTANCE.open(nullTerminated(path), shared ? LibC.O_RDWR : LibC.O_RDONLY);
    if (descriptor < 0) {
      throw new IOException(path + ": cannot open: " + LibC.lastError());
    }
    try {
      long address =
          LibC.INSTANCE.mmap(
              null, mapped, LibC.PROT_READ | LibC.PROT_WRITE, kind, descriptor, offset - before);
      if (address == LibC.MAP_FAILED) {
        throw new IOException(path + ": cannot map " + length + " bytes: " + LibC.lastError());
      }
      return new MappedFile(
          path,
          length,
          address + before,
          true,
          () -> LibC.INSTANCE.munmap(new Pointer(address), mapped));
    } finally {
      LibC.INSTANCE.close(descriptor);
    }
  }

  private static byte[] nullTerminated(Path path) {
    // the charset in which the JDK itself hands names to the system
    Charset names = Charset.forName(System.getProperty("sun.jnu.encoding", "UTF-8"));
    return (path.toAbsolutePath() + "\0").getBytes(names);
  }

  /** The way for systems without {@code mmap}: allocates {@code length} bytes and fills them. */
  static MappedFile read(Path path, long offset, long length) throws IOException {
    long address = Native.malloc(length);
    if (address == 0) {
      throw new IOException(path + ": cannot allocate " + length + " bytes to read the file");
    }
    MappedFile file = new MappedFile(path, length, address, false, () -> Native.free(address));
    try (FileChannel in = FileChannel.open(path, StandardOpenOption.READ)) {
      in.position(offset);
      int chunk = 1 << 26;
      for (long at = 0; at < length; at += chunk) {
        ByteBuffer part = file.buffer(at, Math.min(chunk, length - at));
        while (part.hasRemaining()) {
          if (in.read(part) < 0) {
            throw new IOException(path + ": expected " + length + " bytes, found fewer");
          }
        }
      }
      return file;
    } catch (IOException | RuntimeException | Error e) {
      file.close();
      throw e;
    }
  }

  /** The file that was mapped. */
  public Path path() {
    return path;
  }

  /** The size of the mapping, in bytes: that of the file, or of the part. */
  public long length() {
    return length;
  }

  /**
   * The native address of the first byte, valid until {@link #close()}.
   *
   * @throws IllegalStateException if this is closed
   */
  public synchronized long address() {
    if (address == 0) {
      throw new IllegalStateException(path + ": the mapping is closed");
    }
    return address;
  }

  /**
   * A little-endian view of {@code length} bytes from {@code offset}. It is a window on this
   * mapping and must not be touched after {@link #close()}.
   *
   * @throws IndexOutOfBoundsException if the range is not within the mapping
   * @throws IllegalArgumentException if the range is longer than a buffer can be (2³¹−1 bytes)
   * @throws IllegalStateException if this is closed
   */
  public ByteBuffer buffer(long offset, long length) {
    Objects.checkFromIndexSize(offset, length, this.length);
    if (length > Integer.MAX_VALUE) {
      throw new IllegalArgumentException(
          path + ": a buffer holds at most 2^31-1 bytes, found " + length);
    }
    if (length == 0) {
      return ByteBuffer.allocateDirect(0).order(ByteOrder.LITTLE_ENDIAN);
    }
    return new Pointer(address() + offset).getByteBuffer(0, length).order(ByteOrder.LITTLE_ENDIAN);
  }

  /**
   * Says that a range is not needed for now: its whole pages leave this process's memory and are
   * read again when touched. What was written to them is lost, unless this is {@link #scratch}.
   *
   * @throws IndexOutOfBoundsException if the range is not within the file
   * @throws IllegalStateException if this is closed
   */
  public void release(long offset, long length) {
    advise(offset, length, LibC.MADV_DONTNEED);
  }

  /**
   * Says that a range is needed soon: the system begins to read what is not in memory.
   *
   * @throws IndexOutOfBoundsException if the range is not within the file
   * @throws IllegalStateException if this is closed
   */
  public void prefetch(long offset, long length) {
    advise(offset, length, LibC.MADV_WILLNEED);
  }

  private void advise(long offset, long length, int advice) {
    Objects.checkFromIndexSize(offset, length, this.length);
    long start = address() + offset;
    long from = (start + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    long to = (start + length) / ALIGNMENT * ALIGNMENT;
    if (paged && from < to) {
      // advice: where it is not taken nothing is lost
      LibC.INSTANCE.madvise(new Pointer(from), to - from, advice);
    }
  }

  /** Gives the memory back. A second call does nothing. */
  @Override
  public synchronized void close() {
    if (address != 0) {
      address = 0;
      release.run();
    }
  }

  /** The few functions of the C library that mapping takes. */
  private interface LibC extends Library {
    LibC INSTANCE = Native.load("c", LibC.class);

    int O_RDONLY = 0;
    int O_RDWR = 2;
    int PROT_READ = 1;
    int PROT_WRITE = 2;
    int MAP_SHARED = 1;
    int MAP_PRIVATE = 2;
    // without it Linux refuses a private mapping larger than memory and swap
    int MAP_NORESERVE = Platform.isLinux() ? 0x4000 : Platform.isMac() ? 0x40 : 0;
    long MAP_FAILED = -1;

    int open(byte[] path, int flags);

    long mmap(Pointer hint, long length, int protection, int flags, int descriptor, long offset);

    int MADV_WILLNEED = 3;
    int MADV_DONTNEED = 4;

    int madvise(Pointer address, long length, int advice);

    int munmap(Pointer address, long length);

    int close(int descriptor);

    Pointer strerror(int error);

    static String lastError() {
      int error = Native.getLastError();
      return INSTANCE.strerror(error).getString(0) + " (errno " + error + ")";
    }
  }
}
