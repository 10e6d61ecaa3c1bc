package io.peft4j.io;

import java.io.File;
import java.io.IOException;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.FileChannel;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayDeque;
import java.util.Deque;

/**
 * Makes sure that what was written is on the disk, and not only with the operating system, which
 * keeps it for half a minute or so: a power cut takes the rest. A name is on the disk when its
 * folder has been forced.
 */
public final class Durable {

  private static final boolean WINDOWS = File.separatorChar == '\\';

  private Durable() {}

  /** Something that writes files. */
  @FunctionalInterface
  public interface Writing<T> {
    T run() throws IOException;
  }

  /** The same, where nothing comes of it. */
  @FunctionalInterface
  public interface Task {
    void run() throws IOException;
  }

  /**
   * Forces a file's content, or a folder's names, to the disk.
   *
   * @throws IOException if the disk says that it did not take it
   */
  public static void force(Path path) throws IOException {
    boolean ours = path.getFileSystem() == FileSystems.getDefault();
    if ((WINDOWS || !ours) && Files.isDirectory(path)) {
      return; // folders cannot be opened there; NTFS journals its names by itself
    }
    StandardOpenOption mode = WINDOWS ? StandardOpenOption.WRITE : StandardOpenOption.READ;
    try (FileChannel channel = FileChannel.open(path, mode)) {
      channel.force(true);
    }
  }

  /** {@return {@code folder}, made with those around it where they are absent, on the disk} */
  public static Path createDirectories(Path folder) throws IOException {
    Deque<Path> made = new ArrayDeque<>();
    for (Path path = folder.toAbsolutePath();
        path != null && !Files.exists(path);
        path = path.getParent()) {
      made.push(path);
    }
    Files.createDirectories(folder);
    for (Path path : made) {
      force(path.getParent());
    }
    return folder;
  }

  /**
   * Runs {@code writing} to its end although the thread is interrupted, before or meanwhile, which
   * would close the files under it; it begins again where that happened. The thread is then still
   * interrupted.
   */
  public static <T> T uninterrupted(Writing<T> writing) throws IOException {
    boolean interrupted = Thread.interrupted();
    try {
      while (true) {
        try {
          return writing.run();
        } catch (ClosedByInterruptException e) {
          interrupted |= Thread.interrupted();
        }
      }
    } finally {
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
  }

  /** As {@link #uninterrupted}, where nothing comes of it. */
  public static void finish(Task task) throws IOException {
    uninterrupted(
        () -> {
          task.run();
          return null;
        });
  }
}
