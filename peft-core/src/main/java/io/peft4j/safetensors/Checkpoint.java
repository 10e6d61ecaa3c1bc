package io.peft4j.safetensors;

import io.peft4j.io.MappedFile;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/**
 * The tensors of a model, in one safetensors file or in several with an index, as Hugging Face lays
 * them out. The files stay mapped until {@link #close()}, after which addresses and buffers are
 * dead.
 */
public final class Checkpoint implements AutoCloseable {

  /** The name of an unsharded checkpoint in its folder. */
  public static final String SINGLE = "model.safetensors";

  /** The name of a sharded checkpoint's index in its folder. */
  public static final String INDEX = "model.safetensors.index.json";

  private static final List<String> PICKLES =
      List.of("pytorch_model.bin", "pytorch_model.bin.index.json");

  private final Path path;
  private final List<SafetensorsFile> files;
  private final Map<String, SafetensorsFile> fileOf;

  private Checkpoint(Path path, List<SafetensorsFile> files, Map<String, SafetensorsFile> fileOf) {
    this.path = path;
    this.files = List.copyOf(files);
    this.fileOf = Collections.unmodifiableMap(fileOf);
  }

  /**
   * Opens a checkpoint and checks it.
   *
   * @param path a folder with {@value #SINGLE} or {@value #INDEX} (the former wins, as in
   *     transformers), or a safetensors file, or an index
   * @throws IOException if a file is missing, empty or cannot be opened
   * @throws SafetensorsException if a file or the index is not valid, or they do not agree
   */
  public static Checkpoint open(Path path) throws IOException {
    return open(path, SafetensorsFile::open);
  }

  /**
   * As {@link #open}, but reads headers only; see {@link #part}.
   *
   * @throws IOException if a file is missing, empty or cannot be opened
   * @throws SafetensorsException if a file or the index is not valid, or they do not agree
   */
  public static Checkpoint openUnmapped(Path path) throws IOException {
    return open(path, SafetensorsFile::openUnmapped);
  }

  /** One of the two ways to open a file. */
  @FunctionalInterface
  private interface Opener {
    SafetensorsFile open(Path path) throws IOException;
  }

  private static Checkpoint open(Path path, Opener opener) throws IOException {
    if (!Files.isDirectory(path)) {
      return path.toString().endsWith(".index.json")
          ? openSharded(path, opener)
          : openSingle(path, opener);
    }
    if (Files.exists(path.resolve(SINGLE))) {
      return openSingle(path.resolve(SINGLE), opener);
    }
    if (Files.exists(path.resolve(INDEX))) {
      return openSharded(path.resolve(INDEX), opener);
    }
    for (String pickle : PICKLES) {
      if (Files.exists(path.resolve(pickle))) {
        throw new IOException(
            path.resolve(pickle)
                + ": is a pickle, which could run code and is not read; convert the model once in"
                + " Python: from transformers import AutoModelForCausalLM (or the class it is for);"
                + " AutoModelForCausalLM.from_pretrained('FOLDER').save_pretrained('NEW FOLDER')");
      }
    }
    throw new IOException(
        String.format(Locale.ROOT, "%s: expected %s or %s, found neither", path, SINGLE, INDEX));
  }

  private static Checkpoint openSingle(Path path, Opener opener) throws IOException {
    SafetensorsFile file = opener.open(path);
    Map<String, SafetensorsFile> fileOf = new LinkedHashMap<>();
    file.tensors().keySet().forEach(name -> fileOf.put(name, file));
    return new Checkpoint(path, List.of(file), fileOf);
  }

  private static Checkpoint openSharded(Path path, Opener opener) throws IOException {
    Map<String, String> shardOf = ShardIndex.read(path);
    Map<String, SafetensorsFile> shards = new LinkedHashMap<>();
    try {
      Map<String, SafetensorsFile> fileOf = new LinkedHashMap<>();
      for (Map.Entry<String, String> entry : shardOf.entrySet()) {
        SafetensorsFile shard = shards.get(entry.getValue());
        if (shard == null) {
          shard = openShard(path, entry.getValue(), opener);
          shards.put(entry.getValue(), shard);
        }
        if (!shard.tensors().containsKey(entry.getKey())) {
          throw new SafetensorsException(
              String.format(
                  Locale.ROOT,
                  "%s: expected tensor '%s' in %s, found none of that name there",
                  path,
                  entry.getKey(),
                  entry.getValue()));
        }
        fileOf.put(entry.getKey(), shard);
      }
      // as transformers has it, what a shard holds belongs to the checkpoint, listed or not
      for (SafetensorsFile shard : shards.values()) {
        shard.tensors().keySet().stream()
            .filter(name -> !shardOf.containsKey(name))
            .forEach(name -> fileOf.put(name, shard));
      }
      return new Checkpoint(path, List.copyOf(shards.values()), fileOf);
    } catch (IOException | RuntimeException | Error e) {
      shards.values().forEach(SafetensorsFile::close);
      throw e;
    }
  }

  private static SafetensorsFile openShard(Path index, String name, Opener opener)
      throws IOException {
    Path shard = index.resolveSibling(name);
    if (!Files.exists(shard)) {
      throw new IOException(
          String.format(
              Locale.ROOT, "%s: expected the shard %s, found no such file", index, shard));
    }
    return opener.open(shard);
  }

  /** The file or index that was opened. */
  public Path path() {
    return path;
  }

  /**
   * The safetensors file that holds a tensor.
   *
   * @throws IllegalArgumentException if there is no tensor of that name
   */
  public Path path(String name) {
    return file(name).path();
  }

  /** The safetensors files behind this checkpoint. */
  public List<Path> files() {
    return files.stream().map(SafetensorsFile::path).toList();
  }

  /** The names of all tensors, in the order of the file or the index; unmodifiable. */
  public Set<String> names() {
    return fileOf.keySet();
  }

  /** The size of all tensors together, in bytes. */
  public long totalBytes() {
    return names().stream().mapToLong(name -> info(name).length()).sum();
  }

  /** The metadata of the first file; unmodifiable. */
  public Map<String, String> metadata() {
    return files.get(0).metadata();
  }

  /**
   * The description of one tensor; its offset is within its own file.
   *
   * @throws IllegalArgumentException if there is no tensor of that name
   */
  public TensorInfo info(String name) {
    return file(name).info(name);
  }

  /**
   * The native address of a tensor's first element; see {@link SafetensorsFile#address}.
   *
   * @throws IllegalArgumentException if there is no tensor of that name
   * @throws IllegalStateException if this is closed
   */
  public long address(String name) {
    return file(name).address(name);
  }

  /**
   * A tensor's elements; see {@link SafetensorsFile#bytes}.
   *
   * @throws IllegalArgumentException if there is no tensor of that name, or it has 2 GiB or more
   * @throws IllegalStateException if this is closed
   */
  public ByteBuffer bytes(String name) {
    return file(name).bytes(name);
  }

  /**
   * A tensor's bytes as a mapping of their own; see {@link SafetensorsFile#part}.
   *
   * @throws IOException if it cannot be mapped, or its file was changed since it was opened
   * @throws IllegalArgumentException if there is no tensor of that name
   */
  public MappedFile part(String name) throws IOException {
    return file(name).part(name);
  }

  /**
   * A tensor as something to write elsewhere; see {@link SafetensorsFile#source}.
   *
   * @throws IllegalArgumentException if there is no tensor of that name
   */
  public TensorSource source(String name) {
    return file(name).source(name);
  }

  /**
   * Says that a tensor is not needed for now; see {@link SafetensorsFile#release}.
   *
   * @throws IllegalArgumentException if there is no tensor of that name
   * @throws IllegalStateException if this is closed
   */
  public void release(String name) {
    file(name).release(name);
  }

  private SafetensorsFile file(String name) {
    SafetensorsFile file = fileOf.get(name);
    if (file == null) {
      throw new IllegalArgumentException(
          String.format(
              Locale.ROOT, "%s: expected a tensor '%s', found none of that name", path, name));
    }
    return file;
  }

  /**
   * Makes sure that the mapped files still are what they were, see {@link
   * SafetensorsFile#checkMapped}.
   *
   * @throws IllegalStateException if one was written to or cut
   */
  public void checkMapped() {
    files.forEach(SafetensorsFile::checkMapped);
  }

  /** Unmaps all files. A second call does nothing. */
  @Override
  public void close() {
    files.forEach(SafetensorsFile::close);
  }
}
