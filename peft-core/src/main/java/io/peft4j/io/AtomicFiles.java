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
 * to a temporary sibling, which is then moved over the target.
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
    Path folder = target.toAbsolutePath().getParent();
    Files.createDirectories(folder);
    Path temporary =
        folder.resolve(
            "." + target.getFileName() + "." + Long.toHexString(System.nanoTime()) + ".tmp");
    try {
      content.writeTo(temporary);
      try {
        Files.move(temporary, target, StandardCopyOption.ATOMIC_MOVE);
      } catch (AtomicMoveNotSupportedException e) {
        Files.move(temporary, target, StandardCopyOption.REPLACE_EXISTING);
      }
    } catch (FileSystemException e) {
      if (!temporary.toString().equals(e.getFile())) {
        throw e;
      }
      String why = e.getReason() != null ? e.getReason() : e.getClass().getSimpleName();
      throw new IOException(target + ": cannot be written: " + why, e);
    } finally {
      Files.deleteIfExists(temporary);
    }
  }

  /** Writes {@code text} as UTF-8 to {@code target} atomically. */
  public static void writeString(Path target, String text) throws IOException {
    write(target, temporary -> Files.writeString(temporary, text, StandardCharsets.UTF_8));
  }
}
