package io.peft4j.adapter;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import io.peft4j.adapter.method.Adapter;
import io.peft4j.adapter.method.AdapterBuilder;
import io.peft4j.adapter.method.AdapterConfig;
import io.peft4j.adapter.method.AdapterContext;
import io.peft4j.adapter.method.AdapterKeys;
import io.peft4j.adapter.method.AdapterMethod;
import io.peft4j.adapter.method.AdapterMethods;
import io.peft4j.adapter.method.AdapterOrigin;
import io.peft4j.adapter.method.Export;
import io.peft4j.model.Model;
import io.peft4j.model.ModelExport;
import io.peft4j.model.Uses;
import io.peft4j.model.module.Embedding;
import io.peft4j.model.module.Linear;
import io.peft4j.model.module.Parameter;
import io.peft4j.torch.Autograd;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A model and its named adapters, any of which can be active. The base's weights are never written
 * to: what is merged or trained in place lies over them and can be taken away again exactly.
 *
 * <p>Owns its adapters, not the model. Adding, loading, activating, merging or deleting adapters
 * while another thread runs the model throws an {@link IllegalStateException}, and nothing is
 * changed; see {@link Uses}.
 *
 * <pre>{@code
 * try (Model base = Model.load(folder, LoadOptions.DEFAULT);
 *     AdaptedModel model = new AdaptedModel(base)) {
 *   model.load("german", german);
 *   model.load("legal", legal);
 *   model.activate("german"); // base.logits(batch) is that adapter's now
 *   model.merge("german"); // as fast as the bare base, until
 *   model.unmerge(); // the base is itself again, to the bit
 * }
 * }</pre>
 */
public final class AdaptedModel implements AutoCloseable {

  /**
   * The key, among an adapter's metadata, of the fingerprint of the base that it was trained on;
   * see {@link Model#fingerprint}.
   */
  public static final String BASE_SHA256 = "peft4j.base_sha256";

  /** The key of what the base's weights were kept as meanwhile; see {@link Model#weightFormat}. */
  public static final String BASE_FORMAT = "peft4j.base_format";

  private static final Logger LOGGER = LoggerFactory.getLogger(AdaptedModel.class);

  private final Model model;

  /** Replaced, never changed, since others read it meanwhile. */
  private volatile Map<String, Adapter> adapters = Map.of();

  private Merge merge;

  public AdaptedModel(Model model) {
    this.model = model;
  }

  public Model model() {
    return model;
  }

  /** {@return what an adapter's file should say of the base that it is trained on} */
  public Map<String, String> baseMetadata() {
    return Map.of(BASE_SHA256, model.fingerprint(), BASE_FORMAT, model.weightFormat());
  }

  /** {@return the adapters by name, in the order they were added} */
  public Map<String, Adapter> adapters() {
    return adapters;
  }

  /**
   * @throws IllegalArgumentException if there is none of that name
   */
  public Adapter adapter(String name) {
    Adapter adapter = adapters.get(name);
    if (adapter == null) {
      throw new IllegalArgumentException(
          "no adapter named '" + name + "'; there are " + adapters.keySet());
    }
    return adapter;
  }

  /**
   * Adds a new adapter, initialized as its config says, and activates it alone.
   *
   * @param seed of the random numbers it starts from
   * @throws IllegalArgumentException if the name is taken or the config does not fit the model
   */
  public Adapter add(String name, AdapterConfig config, long seed) {
    return add(name, config, seed, null);
  }

  /**
   * As {@link #add(String, AdapterConfig, long)}, for a config that names a text to start from.
   *
   * @param tokenizer gives the tokens of a text
   * @throws IllegalArgumentException if the name is taken or the config does not fit the model
   */
  public Adapter add(
      String name, AdapterConfig config, long seed, Function<String, int[]> tokenizer) {
    return add(name, config, seed, tokenizer, AdapterOrigin.NEW);
  }

  /** As {@link #add(String, AdapterConfig, long)}, for an adapter that need not be a new one. */
  public Adapter add(
      String name,
      AdapterConfig config,
      long seed,
      Function<String, int[]> tokenizer,
      AdapterOrigin origin) {
    try (Uses.Use use = model.uses().change("add an adapter")) {
      return add(name, config, seed, tokenizer, origin, null);
    }
  }

  /**
   * @param carried tensors of the base that come with the adapter; null for a new one, with which
   *     what the base had to draw is saved
   */
  private Adapter add(
      String name,
      AdapterConfig config,
      long seed,
      Function<String, int[]> tokenizer,
      AdapterOrigin origin,
      CarriedTensors carried) {
    if (adapters.containsKey(name)) {
      throw new IllegalArgumentException("there is already an adapter named '" + name + "'");
    }
    if (merge != null) {
      throw new IllegalStateException("unmerge before adding an adapter");
    }
    List<Adapter> before = active();
    before.forEach(Adapter::deactivate);
    NDManager manager = model.manager().newSubManager();
    try {
      AdapterMethod method = AdapterMethods.named(config.peftType());
      method.unknownKeys(config).forEach(origin::slip);
      AdapterConfig settled = method.settle(config, model);
      settled = carried == null ? NewHeadParts.savedBy(settled, model) : settled;
      AdapterContext context = new AdapterContext(model, manager, seed, tokenizer, this::adapter);
      AdapterConfig fitting = settled;
      Adapter adapter =
          Adapter.build(
              name, fitting, context, origin, builder -> build(method, fitting, builder, carried));
      adapter.used().forEach(other -> other.setTrainable(false));
      Map<String, Adapter> more = new LinkedHashMap<>(adapters);
      more.put(name, adapter);
      adapters = Collections.unmodifiableMap(more);
      adapter.activate();
      return adapter;
    } catch (RuntimeException e) {
      manager.close();
      before.forEach(Adapter::activate);
      throw e;
    }
  }

  private static void build(
      AdapterMethod method, AdapterConfig config, AdapterBuilder builder, CarriedTensors carried) {
    if (carried == null) {
      method.build(config, builder);
      return;
    }
    carried.lay();
    try {
      method.build(config, builder);
    } finally {
      carried.lift();
    }
    carried.settle(builder);
  }

  /**
   * Adds an adapter from a peft folder and activates it alone; it is not trainable until {@link
   * Adapter#setTrainable}. If the folder says which base it was trained on ({@value #BASE_SHA256}
   * among its metadata), this has to be that base; if its weights were kept in another way then
   * ({@value #BASE_FORMAT}), a warning says so.
   *
   * @throws IOException if a file cannot be read
   * @throws IllegalArgumentException if the folder does not fit the model; the message names file
   *     and key, and no adapter has been added
   */
  public Adapter load(String name, Path folder) throws IOException {
    String other = otherBase(folder);
    if (other != null) {
      throw new IllegalArgumentException(other);
    }
    return loadOnAnyBase(name, folder);
  }

  /**
   * As {@link #load}, but on whatever base fits in names and shapes: for a base that was converted,
   * or quantized, since. A warning says where it is another than the folder says.
   *
   * @throws IOException if a file cannot be read
   * @throws IllegalArgumentException if the folder does not fit the model; the message names file
   *     and key, and no adapter has been added
   */
  public Adapter loadOnAnyBase(String name, Path folder) throws IOException {
    warnOfOtherBase(folder);
    return loadFitting(name, folder);
  }

  private Adapter loadFitting(String name, Path folder) throws IOException {
    try (Uses.Use use = model.uses().change("load an adapter")) {
      AdapterConfig config = AdapterFiles.readConfig(folder);
      AdapterOrigin origin = AdapterFiles.origin(folder, config);
      List<Adapter> before = active();
      try (CarriedTensors carried = CarriedTensors.read(folder, config, model)) {
        Adapter adapter;
        try {
          adapter = add(name, config, 0, null, origin, carried);
        } catch (IllegalArgumentException e) {
          throw new IllegalArgumentException(folder + ": " + e.getMessage(), e);
        }
        try {
          adapter.setTrainable(false);
          read(folder, adapter, carried);
          CarriedTensors.checkSizes(model);
          return adapter;
        } catch (IOException | RuntimeException e) {
          delete(name);
          before.forEach(Adapter::activate);
          throw e;
        }
      }
    }
  }

  private void read(Path folder, Adapter adapter, CarriedTensors carried) throws IOException {
    try (NDManager scope = model.manager().newSubManager();
        Autograd.Mode paused = Autograd.pause()) {
      Set<String> known = new HashSet<>(carried.redundant());
      known.addAll(adapter.copies(scope).keySet());
      AdapterFiles.readInto(folder, adapter.config(), adapter.stored(), known);
      AdapterFiles.checkCopies(folder, adapter.config(), adapter.copies(scope));
    }
  }

  private void warnOfOtherBase(Path folder) throws IOException {
    String other = otherBase(folder);
    if (other != null) {
      LOGGER.warn(other);
    }
    String format = AdapterFiles.readMetadata(folder).get(BASE_FORMAT);
    if (format != null && !format.equals(model.weightFormat())) {
      LOGGER.warn(
          "{}: was trained on weights kept as {}, and is used on {} ones: what it gives differs from"
              + " what was trained",
          AdapterFiles.weights(folder).get(0),
          format,
          model.weightFormat());
    }
  }

  /** {@return what is to be said where the folder names another base than this; else null} */
  private String otherBase(Path folder) throws IOException {
    String expected = AdapterFiles.readMetadata(folder).get(BASE_SHA256);
    if (expected == null || expected.equals(model.fingerprint())) {
      return null;
    }
    return AdapterFiles.weights(folder).get(0)
        + ": was trained on a base with SHA-256 "
        + expected
        + ", found "
        + model.checkpoint().path()
        + " with SHA-256 "
        + model.fingerprint();
  }

  /**
   * Replaces the numbers of an adapter by those in a folder that {@link #saveState} wrote.
   *
   * @throws IOException if the file cannot be read
   * @throws IllegalArgumentException if the folder holds another adapter; nothing has been changed
   */
  public void restore(String name, Path folder) throws IOException {
    try (Uses.Use use = model.uses().change("replace an adapter's numbers")) {
      Adapter adapter = adapter(name);
      Map<String, NDArray> state = adapter.privateState();
      if (state.isEmpty()) {
        try (CarriedTensors carried = CarriedTensors.read(folder, adapter.config(), model)) {
          read(folder, adapter, carried);
        }
      } else {
        AdapterFiles.readState(folder, state);
      }
    }
  }

  /**
   * Writes an adapter with all that its training needs to go on: what {@link #save} writes, and for
   * a method that needs more a file {@value AdapterFiles#STATE} beside it.
   *
   * @param metadata for the tensor file, such as the base's fingerprint
   */
  public void saveState(String name, Path folder, Map<String, String> metadata) throws IOException {
    save(name, folder, metadata);
    Map<String, NDArray> state = adapter(name).privateState();
    if (!state.isEmpty()) {
      AdapterFiles.writeState(folder, state);
    }
  }

  /**
   * Writes an adapter as a folder that peft loads, and reads it back: its tensors, and where and
   * with what rank and scaling it acts by its config.
   *
   * @throws IOException if it cannot be written, or what is read back is something else
   * @throws IllegalStateException if another thread trains the model
   * @param metadata for the tensor file, such as the base's fingerprint
   */
  public void save(String name, Path folder, Map<String, String> metadata) throws IOException {
    try (Uses.Use use = model.uses().pin()) {
      saveUnchanged(name, folder, metadata);
    }
  }

  private void saveUnchanged(String name, Path folder, Map<String, String> metadata)
      throws IOException {
    Adapter adapter = adapter(name);
    Export export = adapter.export();
    try (NDManager scope = model.manager().newSubManager();
        Autograd.Mode paused = Autograd.pause()) {
      Map<String, NDArray> tensors = adapter.stored();
      AdapterConfig config = written(adapter);
      if (export != null) {
        tensors = new LinkedHashMap<>(export.tensors(tensors, scope));
        config = export.config(config);
      }
      tensors.putAll(adapter.copies(scope));
      AdapterFiles.write(folder, config, tensors, metadata);
    }
    SavedAdapter.checkConfig(adapter, folder, model);
  }

  /** Loads a folder that was saved from this model a moment ago, under another name. */
  Adapter loadAgain(String name, Path folder) throws IOException {
    return loadFitting(name, folder);
  }

  /** {@return the config of {@code adapter} in a form that means the same once it is sorted} */
  private static AdapterConfig written(Adapter adapter) {
    List<String> modules =
        Stream.concat(
                adapter.projections().keySet().stream().map(Linear::name),
                adapter.embeddings().keySet().stream().map(Embedding::name))
            .toList();
    AdapterConfig config = adapter.config();
    return config.inAnyOrder(modules, name -> AdapterKeys.nameOnDisk(config, name));
  }

  /**
   * Writes what a training of this adapter is for: a folder that peft loads, as {@link #save} does,
   * or, for full fine-tuning, the whole model as a plain checkpoint.
   *
   * @throws IllegalArgumentException as {@link #checkExport}
   */
  public void export(String name, Path folder, Map<String, String> metadata) throws IOException {
    if (!trainsBase(name)) {
      save(name, folder, metadata);
      return;
    }
    List<String> before = active().stream().map(Adapter::name).toList();
    activate(name);
    try {
      ModelExport.write(model, folder, metadata);
    } finally {
      activate(before.toArray(String[]::new));
    }
  }

  /**
   * Makes sure that {@link #export} to {@code folder} will not replace the base itself.
   *
   * @throws IllegalArgumentException if it would
   */
  public void checkExport(String name, Path folder) throws IOException {
    if (trainsBase(name)) {
      ModelExport.checkTarget(model, folder);
    }
  }

  /** {@return whether an adapter is the whole model, trained, and saved as a plain checkpoint} */
  boolean trainsBase(String name) {
    return AdapterMethods.named(adapter(name).config().peftType()).trainsBase();
  }

  /**
   * Makes exactly these adapters active, in this order; none for the bare base. Those that another
   * of them uses act through that one.
   */
  public void activate(String... names) {
    try (Uses.Use use = model.uses().change("activate adapters")) {
      if (merge != null) {
        throw new IllegalStateException("unmerge before activating adapters");
      }
      List<Adapter> wanted = new ArrayList<>();
      for (String name : names) {
        wanted.add(adapter(name));
      }
      CarriedTensors.checkTogether(wanted);
      active().forEach(Adapter::deactivate);
      wanted.stream()
          .filter(adapter -> wanted.stream().noneMatch(other -> other.used().contains(adapter)))
          .forEach(Adapter::activate);
    }
  }

  private List<Adapter> active() {
    return adapters.values().stream().filter(Adapter::active).toList();
  }

  /**
   * Removes an adapter and frees it.
   *
   * @throws IllegalArgumentException if another adapter uses it
   */
  public void delete(String name) {
    try (Uses.Use use = model.uses().change("delete an adapter")) {
      if (merge != null) {
        throw new IllegalStateException("unmerge before deleting an adapter");
      }
      Adapter adapter = adapter(name);
      for (Adapter other : adapters.values()) {
        if (other.used().contains(adapter)) {
          throw new IllegalArgumentException(
              "delete '" + other.name() + "' first, which uses '" + name + "'");
        }
      }
      adapter.close();
      Map<String, Adapter> fewer = new LinkedHashMap<>(adapters);
      fewer.remove(name);
      adapters = Collections.unmodifiableMap(fewer);
    }
  }

  /**
   * Folds adapters into the weights, so that the model runs as fast as its base; {@link #unmerge}
   * takes them out again, exactly, since the base's own weights are kept.
   *
   * <p>A weight is rounded, or quantized again, once, after all adapters have changed it.
   *
   * @param names in the order in which they are folded in
   * @throws IllegalArgumentException if an adapter's method has no merge
   * @throws ArithmeticException if a merged weight is not finite; nothing is then merged
   */
  public void merge(String... names) {
    try (Uses.Use use = model.uses().change("merge adapters")) {
      if (merge != null) {
        throw new IllegalStateException("already merged");
      }
      List<Adapter> wanted = new ArrayList<>();
      for (String name : names) {
        wanted.add(adapter(name));
      }
      CarriedTensors.checkTogether(wanted);
      checkTrainedOnce(wanted);
      List<Adapter> before = active();
      before.forEach(Adapter::deactivate);
      Merge started = new Merge(model.manager().newSubManager(), before);
      try (Autograd.Mode paused = Autograd.pause()) {
        started.fold(wanted);
        merge = started;
      } catch (RuntimeException e) {
        started.undo();
        throw e;
      }
    }
  }

  /** As with {@link AdapterMix}, what the last of them has trained would replace the others'. */
  private static void checkTrainedOnce(List<Adapter> adapters) {
    Map<Parameter, String> trained = new LinkedHashMap<>();
    for (Adapter adapter : adapters) {
      for (Parameter parameter : adapter.overlays().keySet()) {
        String other = trained.put(parameter, adapter.name());
        if (other != null) {
          throw new IllegalArgumentException(
              String.format(
                  Locale.ROOT,
                  "'%s' and '%s' both come with their own %s; merging would lose the first one's",
                  other,
                  adapter.name(),
                  parameter.name()));
        }
      }
    }
  }

  /** Undoes {@link #merge}: the weights are the base's own again, and the same adapters active. */
  public void unmerge() {
    try (Uses.Use use = model.uses().change("unmerge adapters")) {
      if (merge == null) {
        throw new IllegalStateException("nothing is merged");
      }
      merge.undo();
      merge = null;
    }
  }

  /** Frees the adapters; the model is as it was without them. */
  @Override
  public void close() {
    try (Uses.Use use = model.uses().closing("close the adapters")) {
      if (merge != null) {
        unmerge();
      }
      adapters.values().forEach(Adapter::close);
      adapters = Map.of();
    }
  }
}
