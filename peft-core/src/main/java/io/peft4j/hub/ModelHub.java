package io.peft4j.hub;

import io.peft4j.io.Durable;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Turns a model's name into the folder that holds its files.
 *
 * <p>Downloads are safe to interrupt at any moment and to run in several processes at once: a blob
 * appears when it is whole and its checksum is right, a branch's entry when all files are there.
 */
public final class ModelHub {
  private static final Logger LOG = LoggerFactory.getLogger(ModelHub.class);

  private final HubConfig config;
  private final HubCache cache;
  private final DownloadProgress progress;

  /** A hub that reports no progress. */
  public ModelHub(HubConfig config) {
    this(config, DownloadProgress.NONE);
  }

  /** A hub that reports the progress of downloads. */
  public ModelHub(HubConfig config, DownloadProgress progress) {
    this.config = config;
    this.cache = new HubCache(config.cache(), config.symlinks());
    this.progress = progress;
  }

  /**
   * The folder of a model or adapter. A folder of that name is taken as it is; else the name is
   * {@code org/name[@revision]}, looked up in the cache and, if it is not wholly there, downloaded.
   * A branch that is in the cache is not asked for again; see {@link #download}.
   *
   * @throws IllegalArgumentException if the name is neither a folder nor of that form
   * @throws HubException if the hub has no such model, does not grant access, sends bytes that do
   *     not match their checksum, or may not be asked (offline)
   * @throws IOException if the hub cannot be reached or the cache cannot be written
   */
  public Path locate(String name) throws IOException {
    Optional<Path> folder = folder(name);
    if (folder.isPresent()) {
      return folder.get();
    }
    ModelId id = ModelId.parse(name);
    Optional<Path> cached = cache.find(id);
    boolean usable = cached.isPresent() && ModelFiles.isUsable(cached.get());
    if (usable && (config.offline() || ModelFiles.hasTokenizer(cached.get()))) {
      return cached.get();
    }
    if (config.offline()) {
      throw new HubException(
          id
              + (cached.isPresent() ? " is only partly in " : " is not in ")
              + cache.folder()
              + ", and offline mode (HF_HUB_OFFLINE) forbids downloading it");
    }
    try {
      return download(id);
    } catch (IOException e) {
      if (!usable || (e instanceof HubException hub && !hub.passing())) {
        throw e;
      }
      LOG.warn("using {} without a tokenizer, for the hub fails: {}", cached.get(), e.toString());
      return cached.get();
    }
  }

  private static Optional<Path> folder(String name) {
    try {
      Path path = Path.of(name);
      return Files.isDirectory(path) ? Optional.of(path) : Optional.empty();
    } catch (InvalidPathException e) {
      return Optional.empty(); // no file system would have it, but the hub may
    }
  }

  /**
   * Asks the hub what a revision stands for now, and downloads what the cache lacks of it: the
   * configuration, the tokenizer, chat templates and the safetensors weights.
   *
   * @return the snapshot's folder
   * @throws HubException as {@link #locate} does
   * @throws IOException if the hub cannot be reached or the cache cannot be written
   */
  public Path download(ModelId id) throws IOException {
    if (config.offline()) {
      throw new HubException("offline mode (HF_HUB_OFFLINE) forbids downloading " + id);
    }
    HubClient client = new HubClient(config);
    HubClient.Listing listing = client.list(id);
    ModelFiles.check(id, listing.files());
    Path snapshot = cache.snapshot(id, listing.commit());
    Files.createDirectories(snapshot);
    cache.tag();
    for (String file : ModelFiles.small(listing.files())) {
      fetch(client, id, listing.commit(), file);
    }
    boolean sharded =
        listing.files().contains(ModelFiles.INDEX) && !listing.files().contains(ModelFiles.WEIGHTS);
    if (sharded) {
      fetch(client, id, listing.commit(), ModelFiles.INDEX);
    }
    for (String file : ModelFiles.weights(listing.files(), snapshot)) {
      fetch(client, id, listing.commit(), file);
    }
    cache.writeRef(id, listing.commit());
    return snapshot;
  }

  private void fetch(HubClient client, ModelId id, String commit, String file) throws IOException {
    Path pointer = cache.snapshot(id, commit).resolve(file);
    if (Files.exists(pointer)) {
      return; // a commit's files never change
    }
    HubClient.FileInfo info = client.info(id, commit, file);
    Path blob = cache.blob(id, info.etag());
    cache.underLock(
        id,
        info.etag(),
        () -> {
          if (!Files.exists(blob)) {
            Files.createDirectories(blob.getParent());
            Path part = blob.resolveSibling(info.etag() + ".incomplete");
            client.download(id, commit, file, info, part, progress);
            verify(id, file, info, part);
            Durable.force(part);
            Files.move(part, blob, StandardCopyOption.ATOMIC_MOVE);
            Durable.force(blob.getParent());
          }
          cache.link(blob, pointer);
        });
  }

  private static void verify(ModelId id, String file, HubClient.FileInfo info, Path part)
      throws IOException {
    String problem = null;
    if (Files.size(part) != info.size()) {
      problem = "has " + Files.size(part) + " bytes instead of " + info.size();
    } else if (Checksum.isChecksum(info.etag())) {
      String found = Checksum.of(part, info.etag());
      problem =
          found.equals(info.etag())
              ? null
              : "has the checksum " + found + " instead of " + info.etag();
    } else {
      LOG.warn("{} of {} has no checksum, only its size was checked", file, id);
    }
    if (problem != null) {
      Files.delete(part);
      throw new HubException(
          file + " of " + id + ", as downloaded, " + problem + "; it was removed");
    }
  }
}
