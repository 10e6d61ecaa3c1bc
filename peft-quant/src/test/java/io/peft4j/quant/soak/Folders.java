package io.peft4j.quant.soak;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;

/** Folders that are copied, broken and deleted. */
final class Folders {

  private Folders() {}

  static void delete(Path path) throws IOException {
    if (!Files.exists(path)) {
      return;
    }
    try (Stream<Path> files = Files.walk(path)) {
      for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(file);
      }
    }
  }

  static List<Path> files(Path folder) throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files.filter(Files::isRegularFile).sorted().toList();
    }
  }

  static void copy(Path from, Path to) throws IOException {
    delete(to);
    Files.createDirectories(to);
    for (Path file : files(from)) {
      Files.copy(file, to.resolve(file.getFileName().toString()));
    }
  }

  static boolean same(Path a, Path b, List<String> names) throws IOException {
    for (String name : names) {
      if (!Files.exists(a.resolve(name)) || Files.mismatch(a.resolve(name), b.resolve(name)) >= 0) {
        return false;
      }
    }
    return true;
  }

  /** Cuts a file, empties it, or changes some of its first bytes. {@return what was done} */
  static String breakOne(Path folder, Random random) throws IOException {
    List<Path> files = files(folder);
    Path file = files.get(random.nextInt(files.size()));
    byte[] bytes = Files.readAllBytes(file);
    int how = random.nextInt(4);
    if (how == 0) {
      Files.write(file, Arrays.copyOf(bytes, random.nextInt(bytes.length)));
      return "cut " + file.getFileName();
    }
    int reach = how == 1 ? bytes.length : Math.min(bytes.length, 400);
    for (int n = 1 + random.nextInt(4); n > 0; n--) {
      bytes[random.nextInt(reach)] =
          (byte) (how == 2 ? '0' + random.nextInt(10) : random.nextInt());
    }
    Files.write(file, bytes);
    return "changed " + file.getFileName();
  }
}
