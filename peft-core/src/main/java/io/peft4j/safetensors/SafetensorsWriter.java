package io.peft4j.safetensors;

import io.peft4j.io.AtomicFiles;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/**
 * Writes a safetensors file, one tensor after the other, so that no more than a tensor's own source
 * needs is in memory. The bytes are those that Python's {@code safetensors} writes for the same
 * tensors and metadata.
 */
public final class SafetensorsWriter {

  // the reference compares names as UTF-8 bytes, which differs from String's order
  private static final Comparator<TensorSource> FILE_ORDER =
      Comparator.comparing(TensorSource::dtype)
          .thenComparing(
              tensor -> tensor.name().getBytes(StandardCharsets.UTF_8), Arrays::compareUnsigned);

  private SafetensorsWriter() {}

  /**
   * Writes {@code tensors} to {@code target}, which appears whole or not at all.
   *
   * @param tensors the tensors, in any order; the file has them by type, then by name
   * @param metadata string pairs for {@code __metadata__}, written in the map's order; Hugging Face
   *     wants {@code format=pt}
   * @throws IOException if a source fails or writes another number of bytes than its shape has, or
   *     if the file cannot be written; {@code target} is then as it was
   * @throws IllegalArgumentException if two tensors have one name
   */
  public static void write(Path target, List<TensorSource> tensors, Map<String, String> metadata)
      throws IOException {
    AtomicFiles.write(target, content(target, tensors, metadata));
  }

  /** As {@link #write}, for a file that others write, under the name {@code target} in messages. */
  public static AtomicFiles.Content content(
      Path target, List<TensorSource> tensors, Map<String, String> metadata) {
    return temporary -> writeTo(temporary, target, tensors, metadata);
  }

  /** Writes to {@code file}, calling it {@code target} in messages. */
  private static void writeTo(
      Path file, Path target, List<TensorSource> tensors, Map<String, String> metadata)
      throws IOException {
    List<TensorSource> ordered = tensors.stream().sorted(FILE_ORDER).toList();
    checkNamesDiffer(target, ordered);
    try (FileChannel out =
        FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
      TensorSource.writeFully(Header.encode(target.toString(), ordered, metadata), out);
      for (TensorSource tensor : ordered) {
        Bounded bounded = new Bounded(out, target, tensor);
        tensor.content().writeTo(bounded);
        bounded.checkComplete();
      }
    }
  }

  private static void checkNamesDiffer(Path target, List<TensorSource> tensors) {
    Set<String> names = new HashSet<>();
    for (TensorSource tensor : tensors) {
      if (!names.add(tensor.name())) {
        throw new IllegalArgumentException(
            String.format(
                Locale.ROOT,
                "%s: expected tensor names to differ, found '%s' twice",
                target,
                tensor.name()));
      }
    }
  }

  /** Passes on one tensor's bytes and holds its source to their number. */
  private static final class Bounded implements WritableByteChannel {
    private final FileChannel out;
    private final Path target;
    private final TensorSource tensor;
    private long written;

    Bounded(FileChannel out, Path target, TensorSource tensor) {
      this.out = out;
      this.target = target;
      this.tensor = tensor;
    }

    @Override
    public int write(ByteBuffer bytes) throws IOException {
      if (bytes.remaining() > tensor.length() - written) {
        throw wrongLength("at least " + (written + bytes.remaining()));
      }
      int count = out.write(bytes);
      written += count;
      return count;
    }

    void checkComplete() throws IOException {
      if (written != tensor.length()) {
        throw wrongLength(Long.toString(written));
      }
    }

    private IOException wrongLength(String found) {
      return new IOException(
          String.format(
              Locale.ROOT,
              "%s: tensor '%s': expected %d bytes for %s of shape %s, found %s from its source",
              target,
              tensor.name(),
              tensor.length(),
              tensor.dtype(),
              tensor.shape(),
              found));
    }

    @Override
    public boolean isOpen() {
      return out.isOpen();
    }

    /** Does nothing: the file belongs to the writer. */
    @Override
    public void close() {}
  }
}
