package io.peft4j.server;

import io.peft4j.text.TokenizerFolders;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/**
 * Tokenizers of a base and its adapters, each opened once: trainers save the same tokenizer with
 * every adapter. They stay open until all are closed, as requests may still be using them.
 */
final class Tokenizers<T extends AutoCloseable> implements AutoCloseable {

  /** Opens a tokenizer. */
  @FunctionalInterface
  interface Opener<T> {
    T open(TokenizerFolders folders) throws IOException;
  }

  /** Files that say what a tokenizer or a chat template is. */
  private static final String FILE =
      ".*(token|vocab|merges|spiece|sentencepiece|chat_template).*|.*\\.jinja|config\\.json";

  private final Path base;
  private final Opener<T> opener;
  private final Map<Path, T> byFolder = new HashMap<>();
  private final Map<String, T> byContent = new HashMap<>();

  Tokenizers(Path base, Opener<T> opener) {
    this.base = base;
    this.opener = opener;
  }

  /**
   * @param adapter an adapter's folder; null for the base
   */
  synchronized T of(Path adapter) throws IOException {
    Path key = adapter == null ? base : adapter;
    T known = byFolder.get(key);
    if (known == null) {
      known = open(TokenizerFolders.of(base, adapter));
      byFolder.put(key, known);
    }
    return known;
  }

  /** An adapter of the name comes from other files now. */
  synchronized void forget(Path adapter) {
    byFolder.remove(adapter);
  }

  private T open(TokenizerFolders folders) throws IOException {
    String content = digest(folders.vocabulary()) + digest(folders.template());
    T known = byContent.get(content);
    if (known == null) {
      known = opener.open(folders);
      byContent.put(content, known);
    }
    return known;
  }

  private String digest(Path folder) throws IOException {
    if (folder.equals(base)) {
      return "base";
    }
    MessageDigest digest;
    try {
      digest = MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every JDK has SHA-256", e);
    }
    List<Path> files;
    try (Stream<Path> walk = Files.walk(folder, 2)) {
      files =
          walk.filter(file -> file.getFileName().toString().matches(FILE))
              .filter(Files::isRegularFile)
              .sorted()
              .toList();
    }
    for (Path file : files) {
      digest.update(folder.relativize(file).toString().getBytes(StandardCharsets.UTF_8));
      digest.update(Files.readAllBytes(file));
    }
    return HexFormat.of().formatHex(digest.digest());
  }

  @Override
  public synchronized void close() {
    IllegalStateException failed = null;
    for (T tokenizer : byContent.values()) {
      try {
        tokenizer.close();
      } catch (Exception e) {
        failed = failed == null ? new IllegalStateException("closing a tokenizer", e) : failed;
      }
    }
    byContent.clear();
    byFolder.clear();
    if (failed != null) {
      throw failed;
    }
  }
}
