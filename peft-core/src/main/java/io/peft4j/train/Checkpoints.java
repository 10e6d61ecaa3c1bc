package io.peft4j.train;

import ai.djl.ndarray.NDArray;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import io.peft4j.adapter.AdaptedModel;
import io.peft4j.adapter.AdapterFiles;
import io.peft4j.safetensors.SafetensorsFile;
import io.peft4j.safetensors.SafetensorsWriter;
import io.peft4j.safetensors.TensorSource;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * The checkpoints of a run: folders {@code checkpoint-STEP} with the adapter as peft has it, the
 * optimizer's state and the trainer's. A folder appears whole, by a rename, or not at all.
 */
final class Checkpoints {

  private static final Pattern NAME = Pattern.compile("checkpoint-(\\d+)");
  private static final String OPTIMIZER = "optimizer.safetensors";
  private static final String STATE = "trainer_state.json";
  private static final ObjectMapper JSON =
      new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT);

  private final Path output;

  Checkpoints(Path output) {
    this.output = output;
  }

  Path folder(int step) {
    return output.resolve("checkpoint-" + step);
  }

  /** Writes a checkpoint; one of the same step is replaced. */
  Path write(
      AdaptedModel model,
      String adapter,
      Map<String, String> metadata,
      AdamW optimizer,
      TrainerState state)
      throws IOException {
    Path folder = folder(state.step());
    Path temporary = output.resolve(".checkpoint-" + state.step() + ".tmp");
    delete(temporary);
    try {
      Files.createDirectories(temporary);
      model.save(adapter, temporary, metadata);
      List<TensorSource> tensors = new ArrayList<>();
      optimizer.state().forEach((name, tensor) -> tensors.add(AdapterFiles.source(name, tensor)));
      SafetensorsWriter.write(temporary.resolve(OPTIMIZER), tensors, Map.of());
      JSON.writeValue(temporary.resolve(STATE).toFile(), state);
      delete(folder);
      Files.move(temporary, folder, StandardCopyOption.ATOMIC_MOVE);
    } catch (IOException | RuntimeException e) {
      try {
        delete(temporary);
      } catch (IOException suppressed) {
        e.addSuppressed(suppressed);
      }
      throw e;
    }
    return folder;
  }

  /** {@return the checkpoint of the most steps, if there is any} */
  Optional<Path> latest() throws IOException {
    TreeMap<Integer, Path> all = all();
    return all.isEmpty() ? Optional.empty() : Optional.of(all.lastEntry().getValue());
  }

  private TreeMap<Integer, Path> all() throws IOException {
    TreeMap<Integer, Path> found = new TreeMap<>();
    if (!Files.isDirectory(output)) {
      return found;
    }
    try (Stream<Path> entries = Files.list(output)) {
      for (Path entry : entries.toList()) {
        Matcher name = NAME.matcher(entry.getFileName().toString());
        if (name.matches() && Files.exists(entry.resolve(STATE))) {
          found.put(Integer.valueOf(name.group(1)), entry);
        }
      }
    }
    return found;
  }

  /**
   * Reads what {@link #write} wrote into the adapter and the optimizer.
   *
   * @throws IllegalArgumentException if the checkpoint is of a run with another plan
   */
  TrainerState read(Path folder, AdaptedModel model, String adapter, AdamW optimizer, String plan)
      throws IOException {
    TrainerState state = JSON.readValue(folder.resolve(STATE).toFile(), TrainerState.class);
    if (!state.plan().equals(plan)) {
      throw new IllegalArgumentException(
          folder
              + ": was made by a run with other settings: expected "
              + plan
              + ", found "
              + state.plan());
    }
    model.restore(adapter, folder);
    Path file = folder.resolve(OPTIMIZER);
    try (SafetensorsFile tensors = SafetensorsFile.open(file)) {
      for (Map.Entry<String, NDArray> entry : optimizer.state().entrySet()) {
        float[] values = new float[Math.toIntExact(entry.getValue().size())];
        tensors.bytes(entry.getKey()).asFloatBuffer().get(values);
        entry.getValue().set(values);
      }
    }
    optimizer.resume(state.updates());
    return state;
  }

  /** Deletes the oldest checkpoints beyond {@code limit}, but never that of {@code best}. */
  void prune(int limit, int best) throws IOException {
    if (limit <= 0) {
      return;
    }
    TreeMap<Integer, Path> all = all();
    all.remove(best);
    while (all.size() > limit) {
      delete(all.pollFirstEntry().getValue());
    }
  }

  private static void delete(Path folder) throws IOException {
    if (!Files.exists(folder)) {
      return;
    }
    try (Stream<Path> files = Files.walk(folder)) {
      for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(file);
      }
    }
  }
}
