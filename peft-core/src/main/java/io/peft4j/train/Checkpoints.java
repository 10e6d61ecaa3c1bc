package io.peft4j.train;

import ai.djl.ndarray.NDArray;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectWriter;
import com.fasterxml.jackson.databind.SerializationFeature;
import io.peft4j.adapter.AdapterMix;
import io.peft4j.io.AtomicFiles;
import io.peft4j.io.Durable;
import io.peft4j.io.FileGroup;
import io.peft4j.io.JsonErrors;
import io.peft4j.io.JsonFiles;
import io.peft4j.io.OutputLock;
import io.peft4j.safetensors.DType;
import io.peft4j.safetensors.SafetensorsFile;
import io.peft4j.safetensors.SafetensorsWriter;
import io.peft4j.safetensors.TensorInfo;
import io.peft4j.safetensors.TensorSource;
import io.peft4j.torch.HostTensors;
import java.io.IOException;
import java.nio.channels.ClosedByInterruptException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The checkpoints of a run: folders {@code checkpoint-STEP} with the adapter as peft has it, the
 * optimizer's state and the trainer's, and the sums of these files. A folder appears whole, by a
 * rename, or not at all; one that is damaged nevertheless is passed over.
 *
 * <p>The output folder may hold checkpoints of runs with another {@link RunPlan}; they are let be.
 */
final class Checkpoints {

  private static final Logger LOG = LoggerFactory.getLogger(Checkpoints.class);

  /** A step is an int; what has a larger number is not of a run of this library. */
  private static final Pattern NAME = Pattern.compile("checkpoint-([0-9]{1,9})");

  private static final Pattern UNFINISHED =
      Pattern.compile(
          "\\.(checkpoint-\\d+|adapter_(config\\.json|(model|state)\\.safetensors)\\..*)\\.tmp");
  private static final String OPTIMIZER = "optimizer.safetensors";
  private static final String STATE = "trainer_state.json";
  private static final ObjectWriter JSON =
      JsonFiles.MAPPER.writer(SerializationFeature.INDENT_OUTPUT);

  private final Path output;

  Checkpoints(Path output) {
    this.output = output;
  }

  Path folder(int step) {
    return output.resolve("checkpoint-" + step);
  }

  /**
   * Makes sure, before any work is done, that the output folder exists, can be written to and is no
   * other run's, and clears away what a killed run had not finished writing.
   *
   * @return what keeps other runs out of the folder until it is closed
   */
  OutputLock prepare() throws IOException {
    try {
      return Durable.uninterrupted(this::lock);
    } catch (IOException e) {
      throw new IOException("cannot write to the output folder " + output + ": " + reason(e), e);
    }
  }

  private OutputLock lock() throws IOException {
    Durable.createDirectories(output);
    OutputLock lock = OutputLock.of(output);
    try {
      FileGroup.recover(output);
      for (Path entry : entries()) {
        if (UNFINISHED.matcher(entry.getFileName().toString()).matches()) {
          delete(entry);
        }
      }
      return lock;
    } catch (IOException | RuntimeException e) {
      lock.close();
      throw e;
    }
  }

  /**
   * Writes a checkpoint; one of the same step is replaced.
   *
   * @param optimizer its state, by name
   */
  Path write(
      AdapterMix mix,
      Map<String, String> metadata,
      Map<String, NDArray> optimizer,
      TrainerState state)
      throws IOException {
    return Durable.uninterrupted(() -> writeAll(mix, metadata, optimizer, state));
  }

  private Path writeAll(
      AdapterMix mix,
      Map<String, String> metadata,
      Map<String, NDArray> optimizer,
      TrainerState state)
      throws IOException {
    Path folder = folder(state.step());
    Path temporary = output.resolve("." + folder.getFileName() + ".tmp");
    try {
      delete(temporary);
      Durable.createDirectories(temporary);
      mix.saveState(temporary, metadata);
      List<TensorSource> tensors = new ArrayList<>();
      optimizer.forEach(
          (name, tensor) ->
              tensors.add(
                  TensorSource.of(
                      name,
                      typeOf(name, tensor),
                      HostTensors.dimensions(tensor.getShape()),
                      HostTensors.elements(tensor))));
      SafetensorsWriter.write(temporary.resolve(OPTIMIZER), tensors, Map.of());
      AtomicFiles.writeString(temporary.resolve(STATE), JSON.writeValueAsString(state));
      CheckpointSums.write(temporary);
      delete(folder);
      Files.move(temporary, folder, StandardCopyOption.ATOMIC_MOVE);
      Durable.force(output);
    } catch (ClosedByInterruptException e) {
      throw e;
    } catch (IOException e) {
      IOException named =
          new IOException("cannot write checkpoint " + folder + ": " + reason(e), e);
      try {
        delete(temporary);
      } catch (IOException suppressed) {
        named.addSuppressed(suppressed);
      }
      throw named;
    }
    return folder;
  }

  /** {@return what happened; the messages of some exceptions are a path and nothing more} */
  static String reason(IOException e) {
    if (e instanceof FileSystemException file && file.getReason() == null) {
      return file.getClass().getSimpleName() + ": " + file.getMessage();
    }
    return e.getMessage();
  }

  /**
   * {@return the whole checkpoint of the most steps that a run of {@code plan} made, if there is
   * any} Damaged ones of more steps are passed over, with a warning.
   *
   * @throws IllegalArgumentException if there are checkpoints, but damaged ones or of other plans
   *     only; the message says what is wrong with the newest one
   */
  Optional<Path> latest(Map<String, String> plan) throws IOException {
    return Durable.uninterrupted(() -> newest(plan));
  }

  private Optional<Path> newest(Map<String, String> plan) throws IOException {
    Map<Integer, Path> all = all().descendingMap();
    String wrong = null;
    for (Path folder : all.values()) {
      String damage = CheckpointSums.damage(folder);
      if (damage != null) {
        LOG.warn("{} is damaged, looking for an earlier checkpoint: {}", folder, damage);
        wrong = wrong == null ? folder + " is damaged: " + damage : wrong;
        continue;
      }
      Map<String, String> found = state(folder).plan();
      if (found.equals(plan)) {
        return Optional.of(folder);
      }
      if (wrong == null) {
        wrong = folder + " was made with other settings: " + RunPlan.differences(plan, found);
      }
    }
    if (wrong != null) {
      throw new IllegalArgumentException("cannot resume: " + wrong);
    }
    return Optional.empty();
  }

  private TreeMap<Integer, Path> all() throws IOException {
    TreeMap<Integer, Path> found = new TreeMap<>();
    for (Path entry : entries()) {
      Matcher name = NAME.matcher(entry.getFileName().toString());
      if (name.matches() && Files.isRegularFile(entry.resolve(STATE))) {
        found.put(Integer.valueOf(name.group(1)), entry);
      }
    }
    return found;
  }

  private List<Path> entries() throws IOException {
    try (Stream<Path> entries = Files.list(output)) {
      return entries.toList();
    }
  }

  private static TrainerState state(Path folder) throws IOException {
    Path file = folder.resolve(STATE);
    try {
      TrainerState state = JsonFiles.MAPPER.readValue(Files.readAllBytes(file), TrainerState.class);
      if (state == null || state.plan() == null || state.step() < 0 || state.updates() < 0) {
        throw new IllegalArgumentException(
            file + ": expected the state of a training with its steps and its plan, found none");
      }
      return state;
    } catch (JsonProcessingException e) {
      throw new IllegalArgumentException(
          file + ": not the state of a training: " + JsonErrors.sentence(e), e);
    }
  }

  /**
   * Reads what {@link #write} wrote into the adapters and the optimizer's state.
   *
   * @throws IllegalArgumentException if a file is damaged; the message names it
   */
  TrainerState read(Path folder, AdapterMix mix, Map<String, NDArray> optimizer)
      throws IOException {
    return Durable.uninterrupted(() -> readAll(folder, mix, optimizer));
  }

  private static TrainerState readAll(Path folder, AdapterMix mix, Map<String, NDArray> optimizer)
      throws IOException {
    TrainerState state = state(folder);
    mix.restore(folder);
    Path file = folder.resolve(OPTIMIZER);
    try (SafetensorsFile tensors = SafetensorsFile.open(file)) {
      optimizer.forEach((name, tensor) -> read(tensors, name, tensor));
    }
    return state;
  }

  /** Reads the adapters alone, as they were at {@code step}. */
  void restore(int step, AdapterMix mix) throws IOException {
    Durable.finish(() -> mix.restore(folder(step)));
  }

  private static void read(SafetensorsFile file, String name, NDArray tensor) {
    TensorInfo info = file.info(name);
    if (info.dtype() != typeOf(name, tensor)
        || !info.shape().equals(HostTensors.dimensions(tensor.getShape()))) {
      throw new IllegalArgumentException(
          String.format(
              Locale.ROOT,
              "%s: tensor '%s': expected %s of shape %s, found %s of shape %s",
              file.path(),
              name,
              typeOf(name, tensor),
              HostTensors.dimensions(tensor.getShape()),
              info.dtype(),
              info.shape()));
    }
    HostTensors.fill(tensor, file.bytes(name));
  }

  private static DType typeOf(String name, NDArray tensor) {
    return switch (tensor.getDataType()) {
      case FLOAT32 -> DType.F32;
      case FLOAT64 -> DType.F64;
      case UINT8 -> DType.U8;
      case INT32 -> DType.I32;
      case INT64 -> DType.I64;
      default ->
          throw new IllegalStateException(
              "the optimizer's state '" + name + "' is of " + tensor.getDataType());
    };
  }

  /**
   * Deletes this run's oldest checkpoints, so that {@code limit} of those up to the present one
   * remain, beside that of the best evaluation.
   */
  void prune(int limit, TrainerState state) throws IOException {
    if (limit <= 0) {
      return;
    }
    for (Path folder : Durable.uninterrupted(() -> tooMany(limit, state))) {
      delete(folder);
    }
  }

  private List<Path> tooMany(int limit, TrainerState state) throws IOException {
    List<Path> own = new ArrayList<>();
    for (Map.Entry<Integer, Path> entry : all().headMap(state.step(), true).entrySet()) {
      if (entry.getKey() != state.bestStep() && isOf(state.plan(), entry.getValue())) {
        own.add(entry.getValue());
      }
    }
    return own.subList(0, Math.max(0, own.size() - limit));
  }

  /** {@return whether a run of {@code plan} made it; what cannot be read is let be} */
  private static boolean isOf(Map<String, String> plan, Path folder) throws IOException {
    try {
      return state(folder).plan().equals(plan);
    } catch (IllegalArgumentException e) {
      LOG.warn("{} is kept, although it cannot be read: {}", folder, e.getMessage());
      return false;
    }
  }

  private static void delete(Path path) throws IOException {
    // First what makes a folder a checkpoint: who is killed here leaves none that looks whole.
    Files.deleteIfExists(path.resolve(STATE));
    if (!Files.exists(path)) {
      return;
    }
    try (Stream<Path> files = Files.walk(path)) {
      for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(file);
      }
    }
  }
}
