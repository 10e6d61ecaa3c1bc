package io.peft4j.safetensors;

import io.peft4j.io.MappedFile;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.Map;

/**
 * A safetensors file, mapped into memory and checked on opening. Tensors are ranges of the mapping:
 * nothing is read before it is touched, and addresses and buffers are dead after {@link #close()}.
 */
public final class SafetensorsFile implements AutoCloseable {

  private final MappedFile mapped;
  private final Header header;

  private SafetensorsFile(MappedFile mapped, Header header) {
    this.mapped = mapped;
    this.header = header;
  }

  /**
   * Opens {@code path}.
   *
   * @throws IOException if it cannot be opened or is empty
   * @throws SafetensorsException if it is not a valid safetensors file
   */
  public static SafetensorsFile open(Path path) throws IOException {
    MappedFile mapped = MappedFile.open(path);
    try {
      return new SafetensorsFile(mapped, readHeader(mapped));
    } catch (RuntimeException | Error e) {
      mapped.close();
      throw e;
    }
  }

  private static Header readHeader(MappedFile mapped) {
    String file = mapped.path().toString();
    if (mapped.length() < Header.PREFIX) {
      throw new SafetensorsException(
          "%s: expected at least %d bytes, found %d"
              .formatted(file, Header.PREFIX, mapped.length()));
    }
    int length = Header.lengthOf(file, mapped.buffer(0, Header.PREFIX), mapped.length());
    return Header.parse(file, mapped.buffer(Header.PREFIX, length), mapped.length());
  }

  /** The file that was opened. */
  public Path path() {
    return mapped.path();
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
          "%s: expected a tensor '%s', found none of that name".formatted(path(), name));
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
    return mapped.address() + info(name).offset();
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
    return mapped
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
          for (long at = 0; at < info.length(); at += part) {
            long size = Math.min(part, info.length() - at);
            TensorSource.writeFully(mapped.buffer(info.offset() + at, size), out);
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
    mapped.release(info(name).offset(), info(name).length());
  }

  /** Unmaps the file. A second call does nothing. */
  @Override
  public void close() {
    mapped.close();
  }
}
