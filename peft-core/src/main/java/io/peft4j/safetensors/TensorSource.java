package io.peft4j.safetensors;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.WritableByteChannel;
import java.util.List;
import java.util.Locale;
import java.util.function.Consumer;

/**
 * A tensor to be written: its description, and something that produces its bytes when its turn
 * comes, so that a checkpoint need not be in memory.
 *
 * @param name the tensor's name
 * @param dtype the type of its elements
 * @param shape its dimensions, row-major; empty for a scalar
 * @param content writes its elements, little-endian; may be asked more than once
 */
public record TensorSource(String name, DType dtype, List<Long> shape, Content content) {

  /** Produces a tensor's bytes. */
  @FunctionalInterface
  public interface Content {
    /**
     * Writes exactly the tensor's bytes to {@code out}, in as many calls as it likes.
     *
     * @throws IOException if that fails; nothing is then left of the file being written
     */
    void writeTo(WritableByteChannel out) throws IOException;

    /** Shows the tensor's bytes to something that only looks at them, as a checksum does. */
    default void showTo(Consumer<ByteBuffer> reader) throws IOException {
      writeTo(
          new WritableByteChannel() {
            @Override
            public int write(ByteBuffer bytes) {
              int count = bytes.remaining();
              reader.accept(bytes);
              return count;
            }

            @Override
            public boolean isOpen() {
              return true;
            }

            @Override
            public void close() {}
          });
    }
  }

  /**
   * Copies {@code shape}.
   *
   * @throws IllegalArgumentException if a dimension is negative, the size does not fit 63 bits or
   *     is no whole number of bytes, or the name is the one reserved for metadata
   */
  public TensorSource {
    shape = List.copyOf(shape);
    if (name.equals(Header.METADATA)) {
      throw new IllegalArgumentException("tensor '" + name + "': the name is reserved");
    }
    if (shape.stream().anyMatch(dimension -> dimension < 0)) {
      throw new IllegalArgumentException(
          String.format(
              Locale.ROOT, "tensor '%s': expected no negative dimension, found %s", name, shape));
    }
    try {
      TensorInfo.lengthOf(dtype, shape);
    } catch (ArithmeticException e) {
      throw new IllegalArgumentException(
          String.format(
              Locale.ROOT,
              "tensor '%s': expected a size within 63 bits and of whole bytes, found %s of shape"
                  + " %s",
              name,
              dtype,
              shape),
          e);
    }
  }

  /**
   * A tensor whose bytes are in memory.
   *
   * @param bytes its elements, little-endian, between position and limit; not copied
   * @throws IllegalArgumentException if {@code bytes} has not the size of the tensor
   */
  public static TensorSource of(String name, DType dtype, List<Long> shape, ByteBuffer bytes) {
    ByteBuffer view = bytes.asReadOnlyBuffer();
    TensorSource source =
        new TensorSource(name, dtype, shape, out -> writeFully(view.duplicate(), out));
    if (bytes.remaining() != source.length()) {
      throw new IllegalArgumentException(
          String.format(
              Locale.ROOT,
              "tensor '%s': expected %d bytes for %s of shape %s, found %d",
              name,
              source.length(),
              dtype,
              shape,
              bytes.remaining()));
    }
    return source;
  }

  /** The tensor's size in bytes. */
  public long length() {
    return TensorInfo.lengthOf(dtype, shape);
  }

  static void writeFully(ByteBuffer bytes, WritableByteChannel out) throws IOException {
    while (bytes.hasRemaining()) {
      out.write(bytes);
    }
  }
}
