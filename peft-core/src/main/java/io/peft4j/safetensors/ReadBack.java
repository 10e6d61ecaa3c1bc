package io.peft4j.safetensors;

import java.io.IOException;
import java.nio.file.FileSystems;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.zip.CRC32C;

/** Compares tensors that have been written with what was to be written. */
public final class ReadBack {

  private ReadBack() {}

  /**
   * {@return whether files there can be read back} Files are mapped to be read, which only those of
   * the operating system's file systems can be; from elsewhere nothing can be loaded either.
   */
  public static boolean isPossible(Path path) {
    return path.getFileSystem().equals(FileSystems.getDefault());
  }

  /**
   * As {@link #checkFolder}, for one file.
   *
   * @throws IOException if it cannot be read, or a tensor in it is missing, another's or another
   *     one; the message names it
   */
  public static void checkFile(Path path, List<TensorSource> meant) throws IOException {
    if (!isPossible(path)) {
      return;
    }
    try (SafetensorsFile file = SafetensorsFile.open(path)) {
      check(path, meant, file.tensors().keySet(), file::source);
    }
  }

  /**
   * Makes sure that a checkpoint folder holds these tensors, and no others: names, types, shapes
   * and (by CRC-32C) bytes.
   *
   * @throws IOException if it cannot be read, or a tensor in it is missing, another's or another
   *     one; the message names it
   */
  public static void checkFolder(Path folder, List<TensorSource> meant) throws IOException {
    if (!isPossible(folder)) {
      return;
    }
    try (Checkpoint checkpoint = Checkpoint.open(folder)) {
      check(folder, meant, checkpoint.names(), checkpoint::source);
    }
  }

  private static void check(
      Path path, List<TensorSource> meant, Set<String> found, Function<String, TensorSource> stored)
      throws IOException {
    Set<String> names = new TreeSet<>();
    meant.forEach(tensor -> names.add(tensor.name()));
    if (!names.equals(found)) {
      throw new IOException(
          path + ": should hold the tensors " + names + ", found " + new TreeSet<>(found));
    }
    for (TensorSource tensor : meant) {
      TensorSource read = stored.apply(tensor.name());
      if (read.dtype() != tensor.dtype() || !read.shape().equals(tensor.shape())) {
        throw new IOException(
            String.format(
                Locale.ROOT,
                "%s: tensor '%s' should be %s of shape %s, found %s of shape %s",
                path,
                tensor.name(),
                tensor.dtype(),
                tensor.shape(),
                read.dtype(),
                read.shape()));
      }
      if (checksum(tensor) != checksum(read)) {
        throw new IOException(
            path + ": tensor '" + tensor.name() + "' holds other numbers than were written");
      }
    }
  }

  private static long checksum(TensorSource tensor) throws IOException {
    CRC32C crc = new CRC32C();
    tensor.content().showTo(crc::update);
    return crc.getValue();
  }
}
