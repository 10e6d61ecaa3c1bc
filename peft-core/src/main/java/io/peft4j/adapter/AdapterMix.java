package io.peft4j.adapter;

import ai.djl.ndarray.NDArray;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.adapter.method.Adapter;
import io.peft4j.adapter.method.AdapterConfig;
import io.peft4j.io.AtomicFiles;
import io.peft4j.io.JsonFiles;
import io.peft4j.model.module.Parameter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Function;
import java.util.function.Supplier;

/**
 * Adapters of one model, of any methods, that act, are trained and are saved together. One adapter
 * is a mix too, whose folder is the adapter's own; of several each has a folder that the library of
 * its format reads, and {@value #FILE} beside them names them in the order they act.
 */
public final class AdapterMix {

  /** The file that says which folders make up a mix. */
  public static final String FILE = "mix.json";

  private static final ObjectMapper JSON = JsonFiles.MAPPER;

  private final AdaptedModel model;
  private final Map<String, Adapter> adapters = new LinkedHashMap<>();

  /**
   * @param names of adapters of {@code model}, in the order they act
   * @throws IllegalArgumentException if there is none of a name, or two train the same parameter in
   *     place
   */
  public AdapterMix(AdaptedModel model, List<String> names) {
    if (names.isEmpty()) {
      throw new IllegalArgumentException("expected at least one adapter, found none");
    }
    this.model = model;
    Map<Parameter, String> trained = new LinkedHashMap<>();
    for (String name : names) {
      Adapter adapter = model.adapter(name);
      adapters.put(name, adapter);
    }
    CarriedTensors.checkTogether(List.copyOf(acting().values()));
    for (Map.Entry<String, Adapter> entry : acting().entrySet()) {
      String name = entry.getKey();
      Adapter adapter = entry.getValue();
      for (Parameter parameter : adapter.overlays().keySet()) {
        String other = trained.put(parameter, name);
        if (other != null) {
          throw new IllegalArgumentException(
              String.format(
                  Locale.ROOT,
                  "'%s' and '%s' both train %s; give one of them no task_type or modules_to_save",
                  other,
                  name,
                  parameter.name()));
        }
      }
    }
  }

  /**
   * Adds several new adapters and makes all of them active.
   *
   * @param configs by name, in the order they act
   * @param seed of the random numbers they start from
   * @throws IllegalArgumentException as {@link AdaptedModel#add} does; none has then been added
   */
  public static AdapterMix add(
      AdaptedModel model, Map<String, ? extends AdapterConfig> configs, long seed) {
    return add(model, configs, seed, null);
  }

  /**
   * As {@link #add(AdaptedModel, Map, long)}, for configs that name texts to start from.
   *
   * @param tokenizer gives the tokens of a text
   */
  public static AdapterMix add(
      AdaptedModel model,
      Map<String, ? extends AdapterConfig> configs,
      long seed,
      Function<String, int[]> tokenizer) {
    List<String> added = new ArrayList<>();
    try {
      for (Map.Entry<String, ? extends AdapterConfig> entry : configs.entrySet()) {
        model.add(entry.getKey(), entry.getValue(), seed, tokenizer);
        added.add(entry.getKey());
      }
      AdapterMix mix = new AdapterMix(model, added);
      mix.activate();
      return mix;
    } catch (RuntimeException e) {
      delete(added, model);
      throw e;
    }
  }

  /**
   * Loads what {@link #save} wrote, or a single adapter under the name {@code default}, and makes
   * it active.
   *
   * @throws IOException if a file cannot be read
   * @throws IllegalArgumentException if something does not fit the model; nothing has been added
   */
  public static AdapterMix load(AdaptedModel model, Path folder) throws IOException {
    List<String> names = names(folder);
    List<String> added = new ArrayList<>();
    try {
      for (String name : names.isEmpty() ? List.of("default") : names) {
        model.load(name, names.isEmpty() ? folder : folder.resolve(name));
        added.add(name);
      }
      AdapterMix mix = new AdapterMix(model, added);
      mix.activate();
      return mix;
    } catch (IOException | RuntimeException e) {
      delete(added, model);
      throw e;
    }
  }

  /** The last first: it may use those before it. */
  private static void delete(List<String> added, AdaptedModel model) {
    for (int i = added.size() - 1; i >= 0; i--) {
      model.delete(added.get(i));
    }
  }

  /** {@return the folders that a mix consists of; empty where {@code folder} is not of a mix} */
  public static List<String> names(Path folder) throws IOException {
    Path file = folder.resolve(FILE);
    if (!Files.exists(file)) {
      return List.of();
    }
    List<String> names = new ArrayList<>();
    for (JsonNode name : JsonFiles.read(file).path("adapters")) {
      names.add(name.asText());
    }
    if (names.isEmpty()
        || names.stream().anyMatch(name -> name.matches("(?s).*[/\\\\\0].*|\\.*"))) {
      throw new IllegalArgumentException(
          file + ": 'adapters': expected names of folders, found " + names);
    }
    return names;
  }

  /** {@return the folders of adapters in {@code folder}, which is one itself or of a mix} */
  public static List<Path> folders(Path folder) throws IOException {
    List<String> names = names(folder);
    return names.isEmpty() ? List.of(folder) : names.stream().map(folder::resolve).toList();
  }

  /** {@return the adapters by name, in the order they act} */
  public Map<String, Adapter> adapters() {
    return new LinkedHashMap<>(adapters);
  }

  /** {@return those that no other uses, by name: what is used acts, frozen, through its user} */
  Map<String, Adapter> acting() {
    Map<String, Adapter> acting = new LinkedHashMap<>(adapters);
    adapters.values().forEach(adapter -> acting.values().removeAll(adapter.used()));
    return acting;
  }

  /** Makes exactly these adapters active. */
  public void activate() {
    model.activate(adapters.keySet().toArray(String[]::new));
  }

  /** {@return the trained tensors; of several adapters under {@code NAME/KEY}} */
  public Map<String, NDArray> tensors() {
    Map<String, NDArray> all = new LinkedHashMap<>();
    acting()
        .forEach(
            (name, adapter) ->
                adapter
                    .tensors()
                    .forEach(
                        (key, tensor) ->
                            all.put(adapters.size() == 1 ? key : name + "/" + key, tensor)));
    return all;
  }

  /** {@return how many numbers are trained} */
  public long parameterCount() {
    return acting().values().stream().mapToLong(Adapter::parameterCount).sum();
  }

  /** {@return how many of those the base does not have} */
  public long addedCount() {
    return acting().values().stream().mapToLong(Adapter::addedCount).sum();
  }

  /** Wants gradients for its tensors, or does not. */
  public void setTrainable(boolean trainable) {
    acting().values().forEach(adapter -> adapter.setTrainable(trainable));
  }

  /** Sets all gradients to zero. */
  public void clearGradients() {
    acting().values().forEach(Adapter::clearGradients);
  }

  /** See {@link Adapter#beginTraining}. */
  public void beginTraining(int totalSteps) {
    acting().values().forEach(adapter -> adapter.beginTraining(totalSteps));
  }

  /** See {@link Adapter#beforeUpdate}. */
  public double beforeUpdate() {
    return acting().values().stream().mapToDouble(Adapter::beforeUpdate).sum();
  }

  /** See {@link Adapter#afterUpdate}. */
  public void afterUpdate(int step, double gradientScale) {
    acting().values().forEach(adapter -> adapter.afterUpdate(step, gradientScale));
  }

  /** Where an adapter's files go, or come from. */
  Path folder(Path folder, String name) {
    return adapters.size() == 1 ? folder : folder.resolve(name);
  }

  /** Writes each adapter as {@link AdaptedModel#save} does. */
  public void save(Path folder, Map<String, String> metadata) throws IOException {
    for (String name : adapters.keySet()) {
      model.save(name, made(folder(folder, name)), metadata);
    }
    writeNames(folder);
  }

  /** Writes each adapter as {@link AdaptedModel#export} does. */
  public void export(Path folder, Map<String, String> metadata) throws IOException {
    for (String name : adapters.keySet()) {
      model.export(name, made(folder(folder, name)), metadata);
    }
    writeNames(folder);
  }

  /**
   * Makes sure that what {@link #export} has written acts as these adapters do: loads it beside
   * them, runs both on a few examples, and removes it again.
   *
   * @param outputs runs the model as it is then, on the same examples each time
   * @throws IOException if it cannot be read, or acts otherwise; the message says where
   */
  public void checkExported(Path folder, Supplier<float[][]> outputs) throws IOException {
    SavedAdapter.checkOutputs(model, this, folder, outputs);
  }

  /** See {@link AdaptedModel#checkExport}. */
  public void checkExport(Path folder) throws IOException {
    for (String name : adapters.keySet()) {
      model.checkExport(name, folder(folder, name));
    }
  }

  /** Writes each adapter as {@link AdaptedModel#saveState} does. */
  public void saveState(Path folder, Map<String, String> metadata) throws IOException {
    for (String name : adapters.keySet()) {
      model.saveState(name, made(folder(folder, name)), metadata);
    }
    writeNames(folder);
  }

  private static Path made(Path folder) throws IOException {
    return Files.createDirectories(folder);
  }

  private void writeNames(Path folder) throws IOException {
    if (adapters.size() > 1) {
      ObjectNode json = JSON.createObjectNode();
      adapters.keySet().forEach(json.putArray("adapters")::add);
      AtomicFiles.writeString(folder.resolve(FILE), json.toPrettyString() + "\n");
    }
  }

  /**
   * Replaces the numbers of the adapters by those that {@link #saveState} wrote.
   *
   * @throws IOException if a file cannot be read
   * @throws IllegalArgumentException if a folder holds another adapter
   */
  public void restore(Path folder) throws IOException {
    for (String name : adapters.keySet()) {
      model.restore(name, folder(folder, name));
    }
  }
}
