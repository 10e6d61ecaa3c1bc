package io.peft4j.train;

import io.peft4j.adapter.AdapterFiles;
import java.io.IOException;
import java.nio.ByteOrder;
import java.nio.LongBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;

/**
 * Trains into a folder that holds an older adapter, again and again, each time with another
 * operation on files failing, and looks whether anything is lost. Arguments: folder, file that
 * steers the faults, distance between operations that fail. Prints what was lost, and a count.
 */
final class FaultyRun {

  private static final int COUNTED = 2;

  private final Path folder;
  private final LongBuffer control;
  private final TrainingArguments arguments =
      TinyTraining.arguments().maxSteps(6).saveSteps(2).saveTotalLimit(2).build();

  private FaultyRun(Path folder, LongBuffer control) {
    this.folder = folder;
    this.control = control;
  }

  public static void main(String[] arguments) throws IOException {
    try (FileChannel channel =
        FileChannel.open(
            Path.of(arguments[1]), StandardOpenOption.READ, StandardOpenOption.WRITE)) {
      LongBuffer control =
          channel
              .map(FileChannel.MapMode.READ_WRITE, 0, 4096)
              .order(ByteOrder.nativeOrder())
              .asLongBuffer();
      new FaultyRun(Path.of(arguments[0]), control).run(Integer.parseInt(arguments[2]));
    }
  }

  private void run(int stride) throws IOException {
    Path old = folder.resolve("old");
    TinyTraining.run(TinyTraining.arguments().maxSteps(2).seed(9).build(), old);
    Path expected = folder.resolve("expected");
    TinyTraining.run(arguments, expected);
    long operations = operations(old);
    int tried = 0;
    int survived = 0;
    for (long at = 1; at <= operations; at += stride) {
      for (long rest = 0; rest < 2; rest++) {
        tried++;
        survived += fault(at, rest, old, expected) ? 1 : 0;
      }
    }
    System.out.printf(
        Locale.ROOT,
        "%d faults in %d operations, %d of them without effect%n",
        tried,
        operations,
        survived);
  }

  private long operations(Path old) throws IOException {
    Path output = copy(old, "counted");
    control.put(COUNTED, 0);
    train(output, false);
    long operations = control.get(COUNTED);
    delete(output);
    return operations;
  }

  /** {@return whether the run did not mind} */
  private boolean fault(long at, long rest, Path old, Path expected) throws IOException {
    Path output = copy(old, "output");
    String name = "operation " + at + (rest == 0 ? "" : " and all after it");
    boolean survived = true;
    control.put(1, rest).put(COUNTED, 0).put(0, at);
    try {
      train(output, false);
    } catch (IOException e) {
      survived = false;
    } finally {
      control.put(0, 0);
    }
    if (survived) {
      same(name + " failed unnoticed", output, expected);
    } else {
      isOneOf(name, output, old, expected);
    }
    train(output, true);
    same(name + ", resumed", output, expected);
    delete(output);
    return survived;
  }

  /**
   * Where the disk died between the renames that put both files in place, the config is absent, and
   * whoever reads the folder ends what the writer could not.
   */
  private static void isOneOf(String name, Path output, Path old, Path expected)
      throws IOException {
    boolean whole = isLike(output, old) || isLike(output, expected);
    if (!whole && Files.exists(output.resolve(AdapterFiles.CONFIG))) {
      System.out.println("LOST " + name + ": the files are of different adapters");
    }
    AdapterFiles.readConfig(output);
    if (!isLike(output, old) && !isLike(output, expected)) {
      System.out.println("LOST " + name + ": neither the old adapter nor the new one is there");
    }
  }

  private void train(Path output, boolean resume) throws IOException {
    try (TinyTraining run = TinyTraining.create()) {
      run.trainer(arguments, TinyTraining.SILENT, output).train(resume);
    }
  }

  private static void same(String name, Path output, Path expected) throws IOException {
    if (!isLike(output, expected)) {
      System.out.println("LOST " + name + ": the adapter is not the one of a run without faults");
    }
    try (Stream<Path> files = Files.walk(output)) {
      files
          .filter(file -> file.getFileName().toString().matches("\\..*(tmp|peft-(new|old))"))
          .forEach(file -> System.out.println("LEFT " + name + ": " + file));
    }
  }

  private static boolean isLike(Path output, Path other) throws IOException {
    for (String file : List.of(AdapterFiles.CONFIG, AdapterFiles.WEIGHTS)) {
      if (!Files.exists(output.resolve(file))
          || !Arrays.equals(
              Files.readAllBytes(output.resolve(file)), Files.readAllBytes(other.resolve(file)))) {
        return false;
      }
    }
    return true;
  }

  private Path copy(Path from, String name) throws IOException {
    Path to = Files.createDirectory(folder.resolve(name));
    for (String file : List.of(AdapterFiles.CONFIG, AdapterFiles.WEIGHTS)) {
      Files.copy(from.resolve(file), to.resolve(file));
    }
    return to;
  }

  private static void delete(Path path) throws IOException {
    try (Stream<Path> files = Files.walk(path)) {
      for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(file);
      }
    }
  }
}
