package io.peft4j.io;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Stream;

/**
 * Files of a folder that mean something together only, such as an adapter's weights and its config:
 * they change together. A reader finds the old ones, the new ones, or none of the name without
 * which the rest is nothing; never some of each.
 *
 * <p>The new files are written beside the old ones as {@code .NAME.peft-new}, the old ones then
 * moved to {@code .NAME.peft-old}, the new ones to their names. Whoever finds an old one set aside
 * knows that all new ones are whole, and {@linkplain #recover moves on}.
 */
public final class FileGroup {

  private static final String NEW = ".peft-new";
  private static final String OLD = ".peft-old";

  private FileGroup() {}

  /**
   * Writes {@code files} by name into {@code folder}, and waits until they are on the disk.
   *
   * @param files in an order that iteration keeps; without the last one, the others are nothing
   * @throws IOException if one cannot be written or put in place, or another run is writing to the
   *     folder; it is then as it was
   */
  public static void write(Path folder, Map<String, AtomicFiles.Content> files) throws IOException {
    Durable.finish(
        () -> {
          Durable.createDirectories(folder);
          try (OutputLock lock = OutputLock.of(folder)) {
            replace(folder, files);
          }
        });
  }

  private static void replace(Path folder, Map<String, AtomicFiles.Content> files)
      throws IOException {
    recover(folder);
    List<String> names = List.copyOf(files.keySet());
    Set<String> placed = new HashSet<>();
    try {
      for (Map.Entry<String, AtomicFiles.Content> file : files.entrySet()) {
        Path temporary = fresh(folder, file.getKey());
        AtomicFiles.fill(temporary, folder.resolve(file.getKey()), file.getValue());
      }
      swap(folder, names, placed);
    } catch (IOException | RuntimeException e) {
      undo(folder, names, placed, e);
      throw e;
    }
    for (String name : names) {
      Files.deleteIfExists(old(folder, name));
    }
    Durable.force(folder);
  }

  private static void swap(Path folder, List<String> names, Set<String> placed) throws IOException {
    Durable.force(folder);
    for (int i = names.size() - 1; i >= 0; i--) {
      Path file = folder.resolve(names.get(i));
      if (Files.exists(file)) {
        move(file, old(folder, names.get(i)));
      }
    }
    Durable.force(folder);
    for (String name : names) {
      if (name.equals(names.get(names.size() - 1))) {
        Durable.force(folder);
      }
      move(fresh(folder, name), folder.resolve(name));
      placed.add(name);
    }
    Durable.force(folder);
  }

  /** Back to the old files; the new ones step aside first, so that recovering stays possible. */
  private static void undo(Path folder, List<String> names, Set<String> placed, Exception why) {
    try {
      for (String name : names) {
        Path old = old(folder, name);
        Path file = folder.resolve(name);
        if (placed.contains(name)) {
          move(file, fresh(folder, name));
        }
        if (Files.exists(old)) {
          move(old, file);
        }
      }
      for (String name : names) {
        Files.deleteIfExists(fresh(folder, name));
      }
    } catch (IOException e) {
      why.addSuppressed(e);
    }
  }

  /**
   * Ends what a {@link #write} had begun when its process was killed: takes the new files where
   * they were whole, and clears them away where they were not. Only one process at a time may write
   * a folder.
   */
  public static void recover(Path folder) throws IOException {
    List<String> fresh = named(folder, NEW);
    List<String> old = named(folder, OLD);
    if (fresh.isEmpty() && old.isEmpty()) {
      return;
    }
    for (String name : fresh) {
      if (old.isEmpty()) {
        Files.delete(fresh(folder, name));
      } else {
        move(fresh(folder, name), folder.resolve(name));
      }
    }
    Durable.force(folder);
    for (String name : old) {
      // never both gone: where the new one was not there, the old one is what there is
      if (Files.exists(folder.resolve(name))) {
        Files.delete(old(folder, name));
      } else {
        move(old(folder, name), folder.resolve(name));
      }
    }
    Durable.force(folder);
  }

  /**
   * For who reads a folder and finds less than the whole: waits for a {@link #write} that is under
   * way, and ends it where its process seems to be gone.
   *
   * @return whether there was one, so that it is worth while to look again
   * @throws IOException if it is under way for long
   */
  public static boolean settle(Path folder) throws IOException {
    if (!unfinished(folder)) {
      return false;
    }
    for (int i = 0; i < 50 && unfinished(folder); i++) {
      LockSupport.parkNanos(20_000_000);
    }
    if (unfinished(folder)) {
      try (OutputLock lock = OutputLock.of(folder)) {
        recover(folder);
      }
    }
    return true;
  }

  /** {@return whether a {@link #write} into {@code folder} has not come to its end} */
  public static boolean unfinished(Path folder) throws IOException {
    return !named(folder, OLD).isEmpty();
  }

  private static List<String> named(Path folder, String ending) throws IOException {
    List<String> names = new ArrayList<>();
    if (!Files.isDirectory(folder)) {
      return names;
    }
    try (Stream<Path> files = Files.list(folder)) {
      for (Path file : files.toList()) {
        String name = file.getFileName().toString();
        if (name.startsWith(".") && name.endsWith(ending)) {
          names.add(name.substring(1, name.length() - ending.length()));
        }
      }
    }
    return names;
  }

  private static Path fresh(Path folder, String name) {
    return folder.resolve("." + name + NEW);
  }

  private static Path old(Path folder, String name) {
    return folder.resolve("." + name + OLD);
  }

  private static void move(Path from, Path to) throws IOException {
    Files.move(from, to, StandardCopyOption.REPLACE_EXISTING);
  }
}
