package io.peft4j.safetensors;

import io.peft4j.io.AtomicFiles;
import io.peft4j.io.FileGroup;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * Writes a model's tensors into a folder, split into shards where they exceed a size, with the
 * names, the split and the index of {@code huggingface_hub.save_torch_state_dict}.
 */
public final class CheckpointWriter {

  /** Hugging Face's usual limit for a shard: 5 GB. */
  public static final long DEFAULT_SHARD_BYTES = 5_000_000_000L;

  private static final Pattern CHECKPOINT_FILE =
      Pattern.compile("model(-\\d{5}-of-\\d{5})?\\.safetensors(\\.index\\.json)?");

  private CheckpointWriter() {}

  /**
   * Writes a checkpoint and removes the weight files of an earlier one from the folder. The files
   * change together (see {@link FileGroup}), so a failed source or a full disk leaves the folder as
   * it was.
   *
   * @param folder the folder, made if absent
   * @param tensors the tensors; shards are filled in this order
   * @param metadata string pairs for each file, for Hugging Face {@code format=pt}
   * @param maxShardBytes how many bytes of tensors a shard may have; a larger tensor gets a shard
   *     of its own
   * @throws IOException if a source fails or a file cannot be written
   * @throws IllegalArgumentException if two tensors have one name, or {@code maxShardBytes} is not
   *     positive
   */
  public static void write(
      Path folder, List<TensorSource> tensors, Map<String, String> metadata, long maxShardBytes)
      throws IOException {
    write(folder, tensors, metadata, maxShardBytes, Map.of());
  }

  /**
   * As {@link #write(Path, List, Map, long)}, with other files that change together with the
   * weights, such as the config that says what they are.
   *
   * @param others by name; the last is the one without which the folder holds no model
   */
  public static void write(
      Path folder,
      List<TensorSource> tensors,
      Map<String, String> metadata,
      long maxShardBytes,
      Map<String, AtomicFiles.Content> others)
      throws IOException {
    if (maxShardBytes <= 0) {
      throw new IllegalArgumentException(
          "expected a positive shard size in bytes, found " + maxShardBytes);
    }
    Map<String, List<TensorSource>> shards = name(split(tensors, maxShardBytes));
    String index = encodeIndex(folder, shards);
    Map<String, AtomicFiles.Content> files = new LinkedHashMap<>();
    shards.forEach(
        (name, sources) ->
            files.put(name, SafetensorsWriter.content(folder.resolve(name), sources, metadata)));
    if (shards.size() > 1) {
      files.put(Checkpoint.INDEX, AtomicFiles.text(index));
    }
    files.putAll(others);
    FileGroup.write(folder, files);
    removeOthers(folder, files.keySet());
  }

  private static List<List<TensorSource>> split(List<TensorSource> tensors, long maxShardBytes) {
    List<List<TensorSource>> shards = new ArrayList<>();
    List<TensorSource> current = new ArrayList<>();
    long size = 0;
    for (TensorSource tensor : tensors) {
      if (tensor.length() > maxShardBytes) {
        shards.add(List.of(tensor));
        continue;
      }
      if (size > maxShardBytes - tensor.length()) {
        shards.add(current);
        current = new ArrayList<>();
        size = 0;
      }
      current.add(tensor);
      size += tensor.length();
    }
    if (!current.isEmpty() || shards.isEmpty()) {
      shards.add(current);
    }
    return shards;
  }

  private static Map<String, List<TensorSource>> name(List<List<TensorSource>> shards) {
    if (shards.size() == 1) {
      return Map.of(Checkpoint.SINGLE, shards.get(0));
    }
    Map<String, List<TensorSource>> named = new LinkedHashMap<>();
    for (List<TensorSource> shard : shards) {
      named.put(
          String.format(
              Locale.ROOT, "model-%05d-of-%05d.safetensors", named.size() + 1, shards.size()),
          shard);
    }
    return named;
  }

  private static String encodeIndex(Path folder, Map<String, List<TensorSource>> shards) {
    Map<String, String> shardOf = new LinkedHashMap<>();
    long total = 0;
    for (Map.Entry<String, List<TensorSource>> shard : shards.entrySet()) {
      for (TensorSource tensor : shard.getValue()) {
        total = Math.addExact(total, tensor.length());
        if (shardOf.put(tensor.name(), shard.getKey()) != null) {
          throw new IllegalArgumentException(
              String.format(
                  Locale.ROOT,
                  "%s: expected tensor names to differ, found '%s' twice",
                  folder,
                  tensor.name()));
        }
      }
    }
    return ShardIndex.encode(total, shardOf);
  }

  private static void removeOthers(Path folder, Set<String> written) throws IOException {
    List<Path> old;
    try (Stream<Path> files = Files.list(folder)) {
      old =
          files
              .filter(file -> CHECKPOINT_FILE.matcher(file.getFileName().toString()).matches())
              .filter(file -> !written.contains(file.getFileName().toString()))
              .toList();
    }
    for (Path file : old) {
      Files.delete(file);
    }
  }
}
