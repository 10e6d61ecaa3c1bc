package io.peft4j.io;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;

/**
 * Recognizes the short text that a clone has in place of a large file until git-lfs fetches it: a
 * <a href="https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md">pointer</a>.
 */
public final class GitLfs {

  private static final byte[] START = "version https://git-lfs".getBytes(StandardCharsets.US_ASCII);

  private GitLfs() {}

  /**
   * Refuses a regular file that is a pointer.
   *
   * @throws IOException if it cannot be read
   * @throws IllegalArgumentException if it is one; the message says what to do
   */
  public static void refusePointer(Path file) throws IOException {
    if (!Files.isRegularFile(file)) {
      return; // what is read from a pipe is gone
    }
    try (InputStream in = Files.newInputStream(file)) {
      refusePointer(file, in.readNBytes(START.length));
    }
  }

  /**
   * As {@link #refusePointer(Path)}, where the content has been read.
   *
   * @param content of the file, or its beginning
   */
  public static void refusePointer(Path file, byte[] content) {
    if (content.length >= START.length
        && Arrays.equals(content, 0, START.length, START, 0, START.length)) {
      throw new IllegalArgumentException(
          file
              + ": is a git-lfs pointer, not the file that it stands for; fetch that with `git lfs"
              + " pull` in the clone, or download it");
    }
  }
}
