package io.peft4j.io;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.FileChannel;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ThreadLocalRandom;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Keeps a second run out of a folder while one writes to it. The lock is the operating system's, on
 * a file in the folder: it ends with the process, however that ends, and a file left behind by a
 * process that was killed locks nothing.
 */
public final class OutputLock implements AutoCloseable {

  /** The file in the folder, which is removed in the end. */
  public static final String FILE = ".peft.lock";

  private static final Logger LOG = LoggerFactory.getLogger(OutputLock.class);

  /** The most bytes that a lock file is given. */
  private static final int MARKS = 1 << 12;

  /**
   * What this process holds. The system does not say (its locks are the process's), and to try
   * would lose the lock: POSIX drops it when the process closes any channel on the file.
   */
  private static final Map<Path, Thread> HELD = new ConcurrentHashMap<>();

  private final Path file;
  private final FileChannel channel;

  /**
   * @param channel null for what lies within another one
   */
  private OutputLock(Path file, FileChannel channel) {
    this.file = file;
    this.channel = channel;
  }

  /**
   * Takes a folder until {@link #close}. A thread that has it may take it again, for a part of what
   * it does, and then keeps it. A file system that knows no locks is used without.
   *
   * @param folder to write to; it exists
   * @throws IOException if another run, of this process or another, has it; or if it cannot be
   *     written to
   */
  public static OutputLock of(Path folder) throws IOException {
    Path file = folder.toRealPath().resolve(FILE);
    Thread holder = HELD.putIfAbsent(file, Thread.currentThread());
    if (holder == Thread.currentThread()) {
      return new OutputLock(file, null);
    }
    if (holder != null) {
      throw taken(folder);
    }
    try {
      FileChannel channel = open(file);
      if (channel == null) {
        throw taken(folder);
      }
      return new OutputLock(file, channel);
    } catch (IOException | RuntimeException e) {
      HELD.remove(file);
      throw e;
    }
  }

  private static IOException taken(Path folder) {
    return new FileSystemException(
        folder.toString(),
        null,
        "another run is writing to it (it has locked "
            + FILE
            + "): wait for its end, or take another folder");
  }

  /** The locked file, or null if another process has it. */
  private static FileChannel open(Path file) throws IOException {
    while (true) {
      FileChannel channel =
          FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
      try {
        if (!lock(channel, file)) {
          channel.close();
          return null;
        }
        if (isStillThere(channel, file)) {
          return channel;
        }
        channel.close(); // its run has ended meanwhile and removed it: try the next
      } catch (ClosedByInterruptException e) {
        throw e;
      } catch (IOException e) {
        channel.close();
        throw new IOException(file + ": cannot be written: " + e.getMessage(), e);
      }
    }
  }

  private static boolean lock(FileChannel channel, Path file) throws IOException {
    try {
      return channel.tryLock() != null;
    } catch (IOException e) {
      LOG.warn("{} cannot be locked, so nothing keeps a second run out: {}", file, e.toString());
      return true;
    }
  }

  /**
   * Whether the name is still that of the file that was locked. Its length tells: to read it would
   * mean to open it, and so to lose the lock.
   */
  private static boolean isStillThere(FileChannel channel, Path file) throws IOException {
    int mark = 1 + ThreadLocalRandom.current().nextInt(MARKS);
    channel.truncate(0).write(ByteBuffer.allocate(1), mark - 1L);
    try {
      return Files.size(file) == mark;
    } catch (NoSuchFileException e) {
      return false;
    }
  }

  /** Lets go of the folder. */
  @Override
  public void close() throws IOException {
    if (channel == null) {
      return;
    }
    try (channel) {
      Files.deleteIfExists(file);
    } catch (FileSystemException e) {
      LOG.debug("{} stays, as this system removes no file that is open", file, e);
    } finally {
      HELD.remove(file);
    }
  }
}
