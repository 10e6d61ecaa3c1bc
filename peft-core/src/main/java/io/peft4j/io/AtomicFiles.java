package io.peft4j.io;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;

/**
 * Writes files so that a reader sees either the old content or the whole new one: the content goes
 * to a temporary sibling, which is then moved over the target. What was written is on the disk when
 * a method returns; a thread that is interrupted writes to the end and stays interrupted.
 *
 * @see FileGroup for files that change together
 */
public final class AtomicFiles {

  private AtomicFiles() {}

  /** Writes the content of one file. */
  @FunctionalInterface
  public interface Content {
    /**
     * @param temporary the file to write; it does not exist yet
     * @throws IOException if writing fails; the target is then left as it was
     */
    void writeTo(Path temporary) throws IOException;
  }

  /**
   * Writes {@code target} atomically, creating its parent folders.
   *
   * @throws IOException if writing or moving fails, or {@code target} is a folder; it is then
   *     untouched and the temporary file removed
   */
  public static void write(Path target, Content content) throws IOException {
    if (Files.isDirectory(target)) {
      throw new IOException(target + ": expected a file to write, found a folder");
    }
    Durable.finish(() -> replace(target, content));
  }

  private static void replace(Path target, Content content) throws IOException {
    Path folder = Durable.createDirectories(target.toAbsolutePath().getParent());
    Path temporary =
        folder.resolve(
            "." + target.getFileName() + "." + Long.toHexString(System.nanoTime()) + ".tmp");
    try {
      fill(temporary, target, content);
      try {
        Files.move(temporary, target, StandardCopyOption.ATOMIC_MOVE);
      } catch (AtomicMoveNotSupportedException e) {
        Files.move(temporary, target, StandardCopyOption.REPLACE_EXISTING);
      }
      Durable.force(folder);
    } finally {
      Files.deleteIfExists(temporary);
    }
  }

  /** Writes what is to become {@code target} to {@code temporary}, and on the disk. */
  static void fill(Path temporary, Path target, Content content) throws IOException {
    try {
      Files.deleteIfExists(temporary);
      content.writeTo(temporary);
      Durable.force(temporary);
    } catch (FileSystemException e) {
      if (!temporary.toString().equals(e.getFile())) {
        throw e;
      }
      String why = e.getReason() != null ? e.getReason() : e.getClass().getSimpleName();
      throw new IOException(target + ": cannot be written: " + why, e);
    }
  }

  /** Writes {@code text} as UTF-8 to {@code target} atomically. */
  public static void writeString(Path target, String text) throws IOException {
    write(target, text(text));
  }

  /** {@return {@code text} as UTF-8, as a file's content} */
  public static Content text(String text) {
    return temporary -> Files.writeString(temporary, text, StandardCharsets.UTF_8);
  }

  /** {@return a copy of {@code source}, as a file's content} */
  public static Content copyOf(Path source) {
    return temporary -> Files.copy(source, temporary);
  }
}
