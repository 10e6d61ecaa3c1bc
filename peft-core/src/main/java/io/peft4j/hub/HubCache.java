package io.peft4j.hub;

import io.peft4j.io.AtomicFiles;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The cache as Python's {@code huggingface_hub} lays it out:
 *
 * <pre>
 * CACHE/models--org--name/refs/main                    the commit that a branch or tag stood for
 * CACHE/models--org--name/blobs/ETAG                   a file's content
 * CACHE/models--org--name/snapshots/COMMIT/config.json a relative link to its blob
 * CACHE/.locks/models--org--name/ETAG.lock             held while ETAG is downloaded
 * </pre>
 */
final class HubCache {
  private static final Logger LOG = LoggerFactory.getLogger(HubCache.class);
  private static final long LOCK_POLL_MILLIS = 100;

  /** See bford.info/cachedir; the signature is fixed. */
  private static final String TAG =
      "Signature: 8a477f597d28d172789f06886806bc55\n# A cache of Hugging Face models.\n";

  private final Path folder;
  private final boolean symlinks;

  HubCache(Path folder, boolean symlinks) {
    this.folder = folder.toAbsolutePath().normalize();
    this.symlinks = symlinks;
  }

  Path folder() {
    return folder;
  }

  Path snapshot(ModelId id, String commit) {
    return folder.resolve(id.folderName()).resolve("snapshots").resolve(commit);
  }

  Path blob(ModelId id, String etag) {
    return folder.resolve(id.folderName()).resolve("blobs").resolve(etag);
  }

  /** The snapshot of what the revision was known to stand for when it was last downloaded. */
  Optional<Path> find(ModelId id) throws IOException {
    String commit = id.revision();
    if (!id.isCommit()) {
      Path ref = ref(id);
      if (!Files.isRegularFile(ref)) {
        return Optional.empty();
      }
      commit = Files.readString(ref).strip();
      if (!ModelId.COMMIT.matcher(commit).matches()) {
        throw new HubException(ref + " should hold a commit, found '" + commit + "'");
      }
    }
    return Optional.of(snapshot(id, commit)).filter(Files::isDirectory);
  }

  /** Notes what commit a branch or tag stands for. */
  void writeRef(ModelId id, String commit) throws IOException {
    Path ref = ref(id);
    boolean known = Files.isRegularFile(ref) && Files.readString(ref).equals(commit);
    if (!id.revision().equals(commit) && !known) {
      AtomicFiles.writeString(ref, commit);
    }
  }

  private Path ref(ModelId id) {
    return folder.resolve(id.folderName()).resolve("refs").resolve(id.revision());
  }

  /** Makes the blob appear under its name in a snapshot; must be called under the blob's lock. */
  void link(Path blob, Path pointer) throws IOException {
    Files.createDirectories(pointer.getParent());
    Files.deleteIfExists(pointer); // a link whose blob is gone
    if (symlinks) {
      try {
        Files.createSymbolicLink(pointer, pointer.getParent().relativize(blob));
        return;
      } catch (FileAlreadyExistsException e) {
        return; // another process was quicker
      } catch (UnsupportedOperationException | FileSystemException e) {
        LOG.debug("no link at {}, so the file itself goes there", pointer, e);
      }
    }
    Files.move(blob, pointer, StandardCopyOption.REPLACE_EXISTING); // as Python does, to save room
  }

  /** Marks the cache as one, so that backups skip it. */
  void tag() throws IOException {
    Path tag = folder.resolve("CACHEDIR.TAG");
    if (!Files.exists(tag)) {
      AtomicFiles.writeString(tag, TAG);
    }
  }

  /** What is done under a lock. */
  interface Action {
    void run() throws IOException;
  }

  /**
   * Runs {@code action} when nobody else downloads {@code etag}. The lock spares work; correctness
   * does not hang on it, since blobs are checked and then renamed into place.
   */
  void underLock(ModelId id, String etag, Action action) throws IOException {
    Path file = folder.resolve(".locks").resolve(id.folderName()).resolve(etag + ".lock");
    Files.createDirectories(file.getParent());
    try (FileChannel channel =
        FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
      for (boolean waiting = false; tryLock(channel) == null; waiting = true) {
        if (!waiting) {
          LOG.info("waiting for another download of the same file, {}", file);
        }
        Thread.sleep(LOCK_POLL_MILLIS);
      }
      action.run(); // closing the channel lets go of the lock
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptedIOException("interrupted while waiting for " + file);
    }
  }

  private static FileLock tryLock(FileChannel channel) throws IOException {
    try {
      return channel.tryLock();
    } catch (OverlappingFileLockException e) {
      return null; // held by another thread of this process
    }
  }
}
