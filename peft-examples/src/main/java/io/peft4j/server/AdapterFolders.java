package io.peft4j.server;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/** The folders that callers may load adapters from, and nothing beside them. */
final class AdapterFolders {

  /** Adapters have a few files; this bounds what a call can make the server look through. */
  private static final int MOST_FILES = 1000;

  private final List<Path> roots;

  /**
   * @throws IOException if one is not there
   */
  AdapterFolders(List<Path> folders) throws IOException {
    List<Path> real = new ArrayList<>();
    for (Path folder : folders) {
      real.add(folder.toRealPath());
    }
    this.roots = List.copyOf(real);
  }

  boolean isEmpty() {
    return roots.isEmpty();
  }

  /**
   * {@return the adapter folder that a caller names, by its path or by that within a folder}
   *
   * @throws ApiException if it is not there, or it or a file in it is really elsewhere; both are
   *     said in the same words, so that nobody learns what there is outside
   */
  Path locate(String key, String named) {
    for (Path root : roots) {
      try {
        Path folder = root.resolve(named).toRealPath();
        if (isWithin(folder, root) && Files.isDirectory(folder) && holdsOnlyItsOwn(folder)) {
          return folder;
        }
      } catch (IOException | InvalidPathException e) {
        continue; // not in this one
      }
    }
    throw ApiException.bad(
        key, "'" + key + "': no adapter folder '" + named + "' in those that adapters load from");
  }

  private static boolean isWithin(Path folder, Path root) {
    return folder.startsWith(root) && !folder.equals(root);
  }

  /** Links may lead from one place in the folders to another, as in Hugging Face's cache. */
  private boolean holdsOnlyItsOwn(Path folder) throws IOException {
    List<Path> files;
    try (Stream<Path> walk = Files.walk(folder, 4)) {
      files = walk.limit(MOST_FILES + 1).toList();
    }
    if (files.size() > MOST_FILES) {
      return false;
    }
    for (Path file : files) {
      Path real = file.toRealPath();
      if (roots.stream().noneMatch(real::startsWith)) {
        return false;
      }
    }
    return true;
  }
}
