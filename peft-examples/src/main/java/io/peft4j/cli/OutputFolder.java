package io.peft4j.cli;

import io.peft4j.adapter.AdapterMix;
import io.peft4j.io.Durable;
import io.peft4j.io.OutputLock;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * A folder that a run leaves its result in. One that holds a result already is refused; or, with
 * {@code --overwrite}, keeps it until the new one is whole: that is made in {@value #PARTIAL}
 * within it, then the old result goes to {@value #REPLACED}, the new one takes its place, and the
 * old one is deleted. A change that was cut off is completed by the next run. What is no result (a
 * user's own files) is left alone.
 *
 * <p>It is this run's until it is closed: another one is refused.
 */
public final class OutputFolder implements AutoCloseable {

  static final String PARTIAL = ".partial";
  static final String REPLACED = ".replaced";

  private static final Pattern RESULT =
      Pattern.compile(
          "adapter_(config|model|state|fusion).*|mix\\.json|model_adapter_fusion.*|adapter\\..*"
              + "|(pytorch_)?model[-.].*|config\\.json|generation_config\\.json|metrics\\.jsonl"
              + "|tensorboard|checkpoint-\\d+|head\\.safetensors|.*\\.safetensors(\\.index\\.json)?"
              + "|curves\\.png|tokenizer.*|special_tokens_map\\.json|added_tokens\\.json|vocab\\..*"
              + "|merges\\.txt|chat_template\\.jinja|report\\.(json|md|png)"
              + "|(encoder|decoder)-(adapters|models|base|initial)");

  private static final Pattern CHECKPOINT = Pattern.compile("checkpoint-\\d+");

  /** What a run that was killed early has left, beside checkpoints. */
  private static final Pattern REPORT = Pattern.compile("metrics\\.jsonl|tensorboard");

  private static final String MIX = "mix.json";

  private final Path target;
  private final Path work;

  private final OutputLock lock;
  private final boolean made;

  private OutputFolder(
      Path target, boolean made, OutputLock lock, boolean overwrite, boolean resume)
      throws IOException {
    this.target = target;
    this.made = made;
    this.lock = lock;
    this.work = work(target, overwrite, resume);
  }

  /**
   * A folder for a new result.
   *
   * @param inputs folders that the result is made from, which it may not take the place of
   * @throws IllegalArgumentException if it holds a result, or is one of {@code inputs}
   * @throws IOException if it is no folder, or another run is writing to it
   */
  public static OutputFolder open(Path folder, boolean overwrite, Path... inputs)
      throws IOException {
    return open(folder, overwrite, false, inputs);
  }

  /**
   * A folder for a new result, or that of a run which goes on.
   *
   * @param resume whether the run is to go on from a checkpoint there, if there is one
   */
  public static OutputFolder open(Path folder, boolean overwrite, boolean resume, Path... inputs)
      throws IOException {
    if (Files.exists(folder) && !Files.isDirectory(folder)) {
      throw new IOException(folder + ": expected a folder, found a file");
    }
    for (Path input : inputs) {
      if (Files.exists(folder) && Files.exists(input) && Files.isSameFile(folder, input)) {
        throw new IllegalArgumentException(
            "--output " + folder + " is what the result is made from, which is never written to");
      }
    }
    boolean made = !Files.exists(folder);
    OutputLock lock = OutputLock.of(Durable.createDirectories(folder));
    try {
      return new OutputFolder(folder, made, lock, overwrite, resume);
    } catch (IOException | RuntimeException e) {
      lock.close();
      throw e;
    }
  }

  private static Path work(Path folder, boolean overwrite, boolean resume) throws IOException {
    complete(folder);
    List<Path> found = result(folder);
    if (resume && !overwrite) {
      checkResumable(folder, found);
      return folder;
    }
    if (!found.isEmpty() && !overwrite) {
      throw new IllegalArgumentException(
          "--output "
              + folder
              + " holds a result already ("
              + found.get(0).getFileName()
              + (found.size() > 1 ? " and more" : "")
              + "); name another folder, or add --overwrite");
    }
    Path partial = folder.resolve(PARTIAL);
    if (!resume) {
      delete(partial);
    }
    return found.isEmpty() && !Files.exists(partial) ? folder : partial;
  }

  private static void checkResumable(Path folder, List<Path> found) throws IOException {
    boolean checkpoint = found.stream().anyMatch(entry -> matches(entry, CHECKPOINT));
    if (checkpoint) {
      return;
    }
    if (!entries(folder.resolve(PARTIAL), CHECKPOINT).isEmpty()) {
      throw new IllegalArgumentException(
          "--resume: the unfinished run in "
              + folder
              + " is one that replaces what is there; add --overwrite to go on with it");
    }
    if (!found.stream().allMatch(entry -> matches(entry, REPORT))) {
      throw new IllegalArgumentException(
          "--resume: "
              + folder
              + " holds a result, but no checkpoint to go on from; name another folder, or give"
              + " --overwrite instead");
    }
  }

  /** {@return the folder to write to} */
  public Path path() {
    return work;
  }

  /** {@return whether there is a checkpoint to go on from} */
  boolean hasCheckpoint() throws IOException {
    return !entries(work, CHECKPOINT).isEmpty();
  }

  /** Puts the result, which is whole now, where it is to be. */
  public void done() throws IOException {
    if (!work.equals(target)) {
      // Only from here on is there a folder of that name: complete() goes by it.
      Files.createDirectories(target.resolve(REPLACED));
      complete(target);
    }
  }

  /** Lets other runs have it; a folder that nothing came into goes. */
  @Override
  public void close() throws IOException {
    lock.close();
    if (made && list(target).isEmpty()) {
      Files.deleteIfExists(target);
    }
  }

  /** Brings a change to its end, be it one that was cut off. */
  private static void complete(Path folder) throws IOException {
    Path replaced = folder.resolve(REPLACED);
    if (!Files.isDirectory(replaced)) {
      return;
    }
    Path partial = folder.resolve(PARTIAL);
    Path moved = replaced.resolve(PARTIAL);
    // All of the old one goes before any of the new one comes: they are never mixed.
    if (Files.isDirectory(partial)) {
      for (Path entry : result(folder)) {
        Files.move(entry, replaced.resolve(entry.getFileName()));
      }
      Durable.force(replaced);
      Durable.force(folder);
      Files.move(partial, moved);
    }
    if (Files.isDirectory(moved)) {
      for (Path entry : list(moved)) {
        Files.move(entry, folder.resolve(entry.getFileName()));
      }
      Durable.force(folder);
    }
    delete(replaced);
    Durable.force(folder);
  }

  /** {@return what belongs to a result, the folders of a mix's adapters before what names them} */
  private static List<Path> result(Path folder) throws IOException {
    List<Path> found = new ArrayList<>();
    if (Files.exists(folder.resolve(MIX))) {
      for (String name : AdapterMix.names(folder)) {
        if (Files.isDirectory(folder.resolve(name))) {
          found.add(folder.resolve(name));
        }
      }
    }
    found.addAll(entries(folder, RESULT));
    return found;
  }

  private static boolean matches(Path entry, Pattern pattern) {
    return pattern.matcher(entry.getFileName().toString()).matches();
  }

  private static List<Path> entries(Path folder, Pattern pattern) throws IOException {
    return list(folder).stream().filter(entry -> matches(entry, pattern)).sorted().toList();
  }

  private static List<Path> list(Path folder) throws IOException {
    if (!Files.isDirectory(folder)) {
      return List.of();
    }
    try (Stream<Path> entries = Files.list(folder)) {
      return entries.toList();
    }
  }

  private static void delete(Path path) throws IOException {
    if (Files.exists(path)) {
      try (Stream<Path> files = Files.walk(path)) {
        for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
          Files.delete(file);
        }
      }
    }
  }
}
