package io.peft4j.adapter.method;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.peft4j.adapter.target.NamePatterns;
import io.peft4j.adapter.target.TargetMatcher;
import io.peft4j.adapter.target.Targets;
import io.peft4j.model.Model;
import io.peft4j.model.module.Embedding;
import io.peft4j.model.module.EmbeddingAdapter;
import io.peft4j.model.module.Junction;
import io.peft4j.model.module.JunctionAdapter;
import io.peft4j.model.module.Linear;
import io.peft4j.model.module.Module;
import io.peft4j.model.module.Parameter;
import io.peft4j.model.module.ProjectionAdapter;
import io.peft4j.torch.Autograd;
import io.peft4j.torch.Ops;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.function.DoubleSupplier;

/**
 * Collects what a method adds to a model: which modules it adapts, tensors under the names that
 * they have on disk, and what is done with both. All of it belongs to the adapter being built, acts
 * while that is active, and is freed with it.
 *
 * <p>Trained tensors are float32 on the model's device. Keys are those of {@link Adapter#tensors}:
 * the module's name, a dot, the parameter's; {@link AdapterMethod#onDisk} says what a file calls
 * them.
 */
public final class AdapterBuilder {

  private final AdapterParts parts = new AdapterParts();
  private final AdapterContext context;
  private final AdapterConfig config;
  private final AdapterOrigin origin;

  AdapterBuilder(AdapterContext context, AdapterConfig config, AdapterOrigin origin) {
    this.context = context;
    this.config = config;
    this.origin = origin;
  }

  AdapterParts parts() {
    return parts;
  }

  /**
   * {@return the tokens of {@code text}}
   *
   * @throws IllegalArgumentException if there is no tokenizer
   */
  public int[] tokenize(String text) {
    if (context.tokenizer() == null) {
      throw new IllegalArgumentException(
          "the config names a text; adding the adapter needs a tokenizer");
    }
    return context.tokenizer().apply(text);
  }

  /** {@return the model that is adapted} */
  public Model model() {
    return context.model();
  }

  /** {@return the owner of the adapter's arrays} */
  public NDManager manager() {
    return context.manager();
  }

  /** {@return a generator that depends on the seed and {@code key} only} */
  public SplittableRandom random(String key) {
    return new SplittableRandom(context.seed() * 31 + key.hashCode());
  }

  /** {@return whether this is an adapter that was trained, not a new one} */
  public boolean isTrained() {
    return origin.trained();
  }

  /** {@return whether this is a new adapter, made of its user's config} */
  public boolean isNew() {
    return origin == AdapterOrigin.NEW;
  }

  /**
   * {@return whether what only training needs is left out} As in peft, whatever a trained adapter's
   * file says: it holds what the network gave, not the network.
   */
  public boolean forInference(MethodConfig config) {
    return isTrained() || config.flag("inference_mode");
  }

  /**
   * Makes sure that a tensor which is yet to be made may be of that shape.
   *
   * @throws IllegalArgumentException if it may not: the file has another, or it is too large
   */
  public void expect(String key, long... shape) {
    origin.elements(config, key, shape);
  }

  /** A trained tensor of zeros, saved under {@code key}. */
  public NDArray zeros(String key, long... shape) {
    expect(key, shape);
    return trained(key, manager().zeros(new Shape(shape)));
  }

  /** {@return the modules that {@code config} adapts, which have to be of {@code kinds}} */
  public List<Module> targets(MethodConfig config, Set<Class<? extends Module>> kinds) {
    List<Module> found = targets(config.targets(), kinds);
    List<String> names = found.stream().map(Module::name).toList();
    config.patterns().forEach((key, patterns) -> checkPatterns(key, patterns, names));
    return found;
  }

  /**
   * {@return the modules that {@code targets} mean, which have to be of {@code kinds}}
   *
   * @throws IllegalArgumentException if there are none, or, for a new adapter, part of what they
   *     name is not there
   */
  public List<Module> targets(Targets targets, Set<Class<? extends Module>> kinds) {
    List<Module> found = TargetMatcher.find(targets, model().modules(), kinds);
    checkTargets(targets, kinds);
    return found;
  }

  /** Says of {@code targets} which of their names mean nothing. */
  public void checkTargets(Targets targets, Set<Class<? extends Module>> kinds) {
    TargetMatcher.idle(targets, model().modules(), kinds).forEach(origin::slip);
  }

  /** Says of {@code patterns} that no adapted module comes under. */
  public void checkPatterns(String key, Map<String, ?> patterns, List<String> adapted) {
    NamePatterns<?> all = new NamePatterns<>(patterns);
    for (String pattern : all.idle(adapted)) {
      if (all.matches(pattern, adapted)) {
        origin.warn(
            key
                + ": '"
                + pattern
                + "' comes after others that match first, and counts for nothing");
      } else {
        origin.slip(
            key
                + ": "
                + TargetMatcher.nothingCalled(pattern, adapted, "matches no adapted module"));
      }
    }
  }

  /** A trained matrix, uniform in ±1/√columns, as torch initializes linear layers. */
  public NDArray kaiming(String key, long rows, long columns) {
    SplittableRandom random = random(key);
    double bound = 1 / Math.sqrt(columns);
    return drawn(key, () -> (2 * random.nextDouble() - 1) * bound, rows, columns);
  }

  /**
   * A tensor that is not trained.
   *
   * @param key what it is saved under, or null not to save it
   */
  public NDArray frozen(String key, DoubleSupplier values, long... shape) {
    NDArray array = created(key, values, shape);
    if (key != null) {
      parts.frozen.put(key, array);
    }
    return array;
  }

  private NDArray created(String key, DoubleSupplier values, long... shape) {
    Shape size = new Shape(shape);
    float[] data = new float[origin.elements(config, key, shape)];
    for (int i = 0; i < data.length; i++) {
      data[i] = (float) values.getAsDouble();
    }
    return manager().create(data, size);
  }

  /**
   * A trained tensor, saved under {@code key}, whose elements come from {@code values} in order.
   */
  public NDArray drawn(String key, DoubleSupplier values, long... shape) {
    return trained(key, created(key, values, shape));
  }

  /** Trains {@code value}, float32 of this adapter's manager, and saves it under {@code key}. */
  public NDArray trained(String key, NDArray value) {
    if (parts.tensors.put(key, value) != null) {
      throw new IllegalStateException("two tensors for " + key);
    }
    value.setRequiresGradient(true);
    return value;
  }

  /** Trains a copy of {@code parameter} in its place and saves it under {@code key}. */
  public void train(Parameter parameter, String key) {
    if (parts.overlays.containsKey(parameter)) {
      return;
    }
    try (Autograd.Mode paused = Autograd.pause()) {
      parts.overlays.put(parameter, trained(key, Ops.wideCopy(parameter.value(), manager())));
    }
  }

  /** Writes {@code of}, one of the adapter's own tensors, under {@code key} too. */
  public void mirror(String key, NDArray of, boolean turned) {
    parts.mirrors.put(key, new AdapterParts.Mirror(of, turned));
  }

  /** {@return the trained tensor of {@code key}, or null} */
  public NDArray tensor(String key) {
    return parts.tensors.get(key);
  }

  /** {@return whether the adapter's file has a tensor of its own under {@code key}} */
  public boolean holds(String key) {
    return parts.tensors.containsKey(key)
        || parts.frozen.containsKey(key)
        || parts.mirrors.containsKey(key);
  }

  /** Takes over {@code array}, which is then freed with the adapter. */
  public void keep(NDArray array) {
    array.attach(manager());
  }

  /**
   * Uses the tensor that is trained in place of {@code other} in place of {@code parameter} too.
   */
  public void share(Parameter parameter, Parameter other) {
    parts.overlays.put(parameter, parts.overlays.get(other));
  }

  /** {@return the tensor that is trained in place of {@code parameter}, or null} */
  public NDArray trainedCopy(Parameter parameter) {
    return parts.overlays.get(parameter);
  }

  /** Trains all of {@code module} in its place. */
  void trainModule(Module module) {
    if (module instanceof Linear linear && linear.weight() == null) {
      throw new IllegalArgumentException(
          module.name() + ": a quantized module cannot be trained in full; leave it dense");
    }
    module.parameters().forEach(parameter -> train(parameter, parameter.name()));
  }

  /**
   * Trains the modules that a config names to be saved in full.
   *
   * @throws IllegalArgumentException if it names none that the model has
   */
  public void trainSavedModules(Targets targets) {
    if (targets.modulesToSave() == null) {
      return;
    }
    TargetMatcher.idleSaved(targets, model().modules()).forEach(origin::slip);
    List<String> saved = TargetMatcher.savedModules(targets, model().modules());
    if (saved.isEmpty()) {
      throw new IllegalArgumentException(
          "modules_to_save " + targets.modulesToSave() + " names nothing in the model");
    }
    saved.forEach(name -> model().modules().under(name).forEach(this::trainModule));
  }

  /** Lets {@code adapter} act on a projection while the adapter being built is active. */
  public void adapt(Linear linear, ProjectionAdapter adapter) {
    parts.projections.put(linear, adapter);
  }

  /** Lets {@code adapter} act on a table while the adapter being built is active. */
  public void adapt(Embedding embedding, EmbeddingAdapter adapter) {
    parts.embeddings.put(embedding, adapter);
  }

  /** {@return whether something acts on {@code module}} */
  public boolean adapts(Module module) {
    return parts.projections.containsKey(module) || parts.embeddings.containsKey(module);
  }

  /**
   * Says that {@code head}, which shares its table with {@code words}, is adapted with the same
   * tensors.
   *
   * @param alike whether the table changes in both places alike, so that it stays shared when the
   *     adapter is merged
   */
  public void tie(Linear head, Embedding words, boolean alike) {
    parts.tied.put(head, words);
    if (alike) {
      parts.tiedAlike.add(head);
    }
  }

  /** Lets {@code adapter} act at a junction while the adapter being built is active. */
  public void adapt(Junction junction, JunctionAdapter adapter) {
    parts.junctions.put(junction, adapter);
    attach(junction.name(), () -> junction.add(adapter), () -> junction.remove(adapter));
  }

  /**
   * {@return another adapter of the model, which is to act through the one being built and stays as
   * it is}
   *
   * @throws IllegalArgumentException if there is none of that name
   */
  public Adapter use(String name) {
    Adapter other = context.others().apply(name);
    if (!other.carried().isEmpty()) {
      throw new IllegalArgumentException(
          String.format(
              Locale.ROOT,
              "'%s' comes with tensors of the base (%s), which another adapter cannot use",
              name,
              String.join(", ", other.carriedTensors())));
    }
    parts.used.put(name, other);
    return other;
  }

  /** Puts something on the model, at {@code target}, while the adapter is active. */
  public void attach(String target, Runnable attach, Runnable detach) {
    parts.attachments.add(new Attachment(target, attach, detach));
  }

  /**
   * Has something else written in place of the adapter's tensors and config; a checkpoint holds the
   * tensors all the same.
   */
  public void export(Export export) {
    parts.export = export;
  }

  /** Has {@code hook} called in each training step. */
  public void hook(StepHook hook) {
    parts.hook = hook;
  }

  /**
   * Lays {@code value}, which came with the adapter's file, in place of one of the base's tensors
   * while the adapter is active. What factors left of the base's own is then the file's business.
   *
   * @param value of the parameter's type; taken over
   */
  public void carry(Parameter parameter, NDArray value) {
    parts.carried.put(parameter, value);
    parts.residuals.remove(parameter);
  }

  /** Writes what is {@link #carry carried} for {@code parameter} under {@code key} again. */
  public void carry(String key, Parameter parameter) {
    parts.carriedKeys.put(key, parameter);
  }

  /** Keeps a tensor of zeros that training needs, and a checkpoint, but nobody else. */
  public NDArray state(String key, Shape shape) {
    NDArray array = manager().zeros(shape);
    parts.state.put(key, array);
    return array;
  }

  /**
   * Uses {@code residual}, what factors leave of a weight, in place of the base's while this
   * adapter is active; not saved. When merging, the adapter of the projection accounts for it.
   */
  public void leave(Linear linear, NDArray residual) {
    if (linear.weight() != null) {
      residual.attach(manager());
      parts.residuals.put(linear.weight(), residual);
    } else {
      parts.replacements.put(linear, linear.projection().replacement(residual));
    }
  }

  /** {@return what factors leave of a weight, float32 on {@code scope}; null if it is untouched} */
  public NDArray left(Linear linear, NDManager scope) {
    if (parts.replacements.containsKey(linear)) {
      return parts.replacements.get(linear).weight(scope);
    }
    NDArray residual = parts.residuals.get(linear.weight());
    if (residual == null) {
      return null;
    }
    NDArray copy = residual.duplicate();
    copy.attach(scope);
    return copy;
  }
}
