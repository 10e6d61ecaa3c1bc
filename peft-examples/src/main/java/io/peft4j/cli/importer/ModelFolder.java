package io.peft4j.cli.importer;

import io.peft4j.io.Durable;
import io.peft4j.safetensors.Checkpoint;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;

/** Makes a model folder that exists whole or not at all. */
final class ModelFolder {

  static final String CONFIG = "config.json";
  static final String TOKENIZER = "tokenizer.json";
  static final String TOKENIZER_CONFIG = "tokenizer_config.json";
  static final String VOCABULARY = "vocab.txt";

  private static final List<String> FILES =
      List.of(CONFIG, Checkpoint.SINGLE, TOKENIZER, TOKENIZER_CONFIG, VOCABULARY);

  private ModelFolder() {}

  /** Fills a folder with a model's files. */
  @FunctionalInterface
  interface Maker {
    void makeIn(Path staging) throws IOException;
  }

  /**
   * Makes {@code folder} unless it is there and complete. Everything is made in a sibling first,
   * under a lock, so of several threads or processes one does the work.
   *
   * @return {@code folder}
   * @throws IOException if {@code maker} fails, or {@code folder} is incomplete and has files that
   *     are not of a model
   */
  static synchronized Path makeOnce(Path folder, Maker maker) throws IOException {
    Path parent = folder.toAbsolutePath().getParent();
    Files.createDirectories(parent);
    Path lockFile = parent.resolve("." + folder.getFileName() + ".lock");
    try (FileChannel channel =
            FileChannel.open(lockFile, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        FileLock lock = channel.lock()) {
      if (lock.isValid() && isComplete(folder)) {
        return folder;
      }
      Path staging = parent.resolve("." + folder.getFileName() + ".part");
      deleteFolder(staging);
      Files.createDirectory(staging);
      try {
        maker.makeIn(staging);
        removeIncomplete(folder);
        try (Stream<Path> files = Files.list(staging)) {
          for (Path file : files.toList()) {
            Durable.force(file);
          }
        }
        Durable.force(staging);
        Files.move(staging, folder);
        Durable.force(parent);
      } finally {
        deleteFolder(staging);
      }
      return folder;
    }
  }

  private static boolean isComplete(Path folder) throws IOException {
    for (String file : FILES) {
      if (!Files.exists(folder.resolve(file)) || Files.size(folder.resolve(file)) == 0) {
        return false;
      }
    }
    try (Checkpoint checkpoint = Checkpoint.open(folder)) {
      return !checkpoint.names().isEmpty();
    } catch (IllegalArgumentException e) {
      // cut off or damaged: to be made again
      return false;
    }
  }

  private static void removeIncomplete(Path folder) throws IOException {
    if (!Files.exists(folder)) {
      return;
    }
    try (Stream<Path> files = Files.list(folder)) {
      List<Path> foreign =
          files.filter(file -> !FILES.contains(file.getFileName().toString())).toList();
      if (!foreign.isEmpty()) {
        throw new IOException(
            String.format(
                Locale.ROOT,
                "%s: expected a complete model or none, found an incomplete one beside %s: remove it by hand",
                folder,
                foreign));
      }
    }
    deleteFolder(folder);
  }

  private static void deleteFolder(Path folder) throws IOException {
    if (!Files.exists(folder)) {
      return;
    }
    try (Stream<Path> files = Files.list(folder)) {
      for (Path file : files.toList()) {
        Files.delete(file);
      }
    }
    Files.delete(folder);
  }
}
