package io.peft4j.safetensors;

import io.peft4j.io.GitLfs;
import io.peft4j.io.MappedFile;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.FileTime;
import java.util.Locale;
import java.util.Map;

/**
 * A safetensors file, mapped into memory and checked on opening. Tensors are ranges of the mapping:
 * nothing is read before it is touched, and addresses and buffers are dead after {@link #close()}.
 */
public final class SafetensorsFile implements AutoCloseable {

  private final Path path;
  private final long length;
  private final FileTime modified;
  private final Header header;
  private MappedFile mapped;
  private Object mappedKey;
  private boolean closed;

  private SafetensorsFile(Path path, long length, FileTime modified, Header header) {
    this.path = path;
    this.length = length;
    this.modified = modified;
    this.header = header;
  }

  /**
   * Opens {@code path} and maps it.
   *
   * @throws IOException if it cannot be opened or is empty
   * @throws SafetensorsException if it is not a valid safetensors file
   */
  public static SafetensorsFile open(Path path) throws IOException {
    SafetensorsFile file = openUnmapped(path);
    try {
      file.mapped = MappedFile.open(path);
      file.checkUnchanged();
      file.mappedKey = key(path);
      return file;
    } catch (IOException | RuntimeException | Error e) {
      file.close();
      throw e;
    }
  }

  /**
   * Opens {@code path} for {@link #part}: of the file itself only the header is read, and the whole
   * is not mapped before something needs it.
   *
   * @throws IOException if it cannot be opened or is empty
   * @throws SafetensorsException if it is not a valid safetensors file
   */
  public static SafetensorsFile openUnmapped(Path path) throws IOException {
    GitLfs.refusePointer(path);
    FileTime modified = Files.exists(path) ? Files.getLastModifiedTime(path) : null;
    long length = Files.exists(path) ? Files.size(path) : 0;
    try (MappedFile prefix =
        MappedFile.open(path, 0, Math.max(1, Math.min(length, Header.PREFIX)))) {
      if (length < Header.PREFIX) {
        throw new SafetensorsException(
            String.format(
                Locale.ROOT,
                "%s: expected at least %d bytes, found %d",
                path,
                Header.PREFIX,
                length));
      }
      int size = Header.lengthOf(path.toString(), prefix.buffer(0, Header.PREFIX), length);
      try (MappedFile front = MappedFile.open(path, 0, Header.PREFIX + (long) size)) {
        ByteBuffer json = front.buffer(Header.PREFIX, size);
        return new SafetensorsFile(
            path, length, modified, Header.parse(path.toString(), json, length));
      }
    }
  }

  private synchronized MappedFile mapped() {
    if (closed) {
      throw new IllegalStateException(path + ": the file is closed");
    }
    if (mapped == null) {
      try {
        checkUnchanged();
        mapped = MappedFile.open(path);
        mappedKey = key(path);
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }
    return mapped;
  }

  private void checkUnchanged() throws IOException {
    if (Files.size(path) != length || !Files.getLastModifiedTime(path).equals(modified)) {
      throw new IOException(path + ": the file was changed after it had been opened");
    }
  }

  private static Object key(Path path) throws IOException {
    return Files.readAttributes(path, BasicFileAttributes.class).fileKey();
  }

  /**
   * Makes sure that the pages which were mapped are still what they were. That the file was removed
   * or replaced by a rename does them no harm; that it was cut kills a process that touches them.
   *
   * @throws IllegalStateException if the file was written to or cut since it was opened
   */
  public synchronized void checkMapped() {
    if (mapped == null || closed) {
      return;
    }
    BasicFileAttributes now;
    try {
      now = Files.readAttributes(path, BasicFileAttributes.class);
    } catch (IOException e) {
      return; // it has no name any more, its pages stay
    }
    boolean same = mappedKey != null && mappedKey.equals(now.fileKey());
    if (same && (now.size() != length || !now.lastModifiedTime().equals(modified))) {
      throw new IllegalStateException(
          path + ": the file was changed while its pages are in use; replace it by a rename");
    }
  }

  /**
   * A tensor's bytes as a mapping of their own, which the caller closes. Beside those, nothing of
   * the file takes up memory or address space.
   *
   * @throws IOException if it cannot be mapped, or the file was changed since it was opened
   * @throws IllegalArgumentException if the file has no tensor of that name
   */
  public MappedFile part(String name) throws IOException {
    TensorInfo info = info(name);
    checkUnchanged();
    return MappedFile.open(path, info.offset(), info.length());
  }

  /** The file that was opened. */
  public Path path() {
    return path;
  }

  /** All tensors by name, in the order in which they lie in the file; unmodifiable. */
  public Map<String, TensorInfo> tensors() {
    return header.tensors();
  }

  /** The strings under {@code __metadata__}, often {@code format=pt}; unmodifiable. */
  public Map<String, String> metadata() {
    return header.metadata();
  }

  /**
   * The description of one tensor.
   *
   * @throws IllegalArgumentException if the file has no tensor of that name
   */
  public TensorInfo info(String name) {
    TensorInfo info = header.tensors().get(name);
    if (info == null) {
      throw new IllegalArgumentException(
          String.format(
              Locale.ROOT, "%s: expected a tensor '%s', found none of that name", path(), name));
    }
    return info;
  }

  /**
   * The native address of a tensor's first element, valid until {@link #close()}. The format does
   * not promise alignment, though every common writer gives it. The address of an empty tensor must
   * not be read.
   *
   * @throws IllegalArgumentException if the file has no tensor of that name
   * @throws IllegalStateException if this is closed
   */
  public long address(String name) {
    return mapped().address() + info(name).offset();
  }

  /**
   * A tensor's elements as a read-only little-endian window on the mapping, dead after {@link
   * #close()}.
   *
   * @throws IllegalArgumentException if the file has no tensor of that name, or one of 2 GiB or
   *     more
   * @throws IllegalStateException if this is closed
   */
  public ByteBuffer bytes(String name) {
    TensorInfo info = info(name);
    return mapped()
        .buffer(info.offset(), info.length())
        .asReadOnlyBuffer()
        .order(ByteOrder.LITTLE_ENDIAN);
  }

  /**
   * A tensor's bytes as something to write elsewhere, of any size, under the same name. This file
   * must stay open until it is written.
   *
   * @throws IllegalArgumentException if the file has no tensor of that name
   */
  public TensorSource source(String name) {
    TensorInfo info = info(name);
    long part = 1 << 26;
    return new TensorSource(
        name,
        info.dtype(),
        info.shape(),
        out -> {
          checkUnchanged();
          for (long at = 0; at < info.length(); at += part) {
            long size = Math.min(part, info.length() - at);
            try (MappedFile bytes = MappedFile.open(path, info.offset() + at, size)) {
              TensorSource.writeFully(bytes.buffer(0, size), out);
            }
          }
        });
  }

  /**
   * Says that a tensor is not needed for now: its pages leave this process's memory and are read
   * again when touched.
   *
   * @throws IllegalArgumentException if the file has no tensor of that name
   * @throws IllegalStateException if this is closed
   */
  public void release(String name) {
    mapped().release(info(name).offset(), info(name).length());
  }

  /** Unmaps the file. A second call does nothing. */
  @Override
  public synchronized void close() {
    closed = true;
    if (mapped != null) {
      mapped.close();
      mapped = null;
    }
  }
}
