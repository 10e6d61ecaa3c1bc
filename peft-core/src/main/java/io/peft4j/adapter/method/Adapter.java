package io.peft4j.adapter.method;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import io.peft4j.model.module.Embedding;
import io.peft4j.model.module.EmbeddingAdapter;
import io.peft4j.model.module.Junction;
import io.peft4j.model.module.JunctionAdapter;
import io.peft4j.model.module.Linear;
import io.peft4j.model.module.Parameter;
import io.peft4j.model.module.Projection;
import io.peft4j.model.module.ProjectionAdapter;
import io.peft4j.torch.Autograd;
import io.peft4j.torch.Ops;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;

/**
 * A named set of trained tensors on a model, and where they act. Made by {@link
 * io.peft4j.adapter.AdaptedModel}.
 */
public final class Adapter {

  private final String name;
  private final AdapterConfig config;
  private final NDManager manager;
  private final Map<String, NDArray> tensors;
  private final Map<Linear, ProjectionAdapter> projections;
  private final Map<Embedding, EmbeddingAdapter> embeddings;
  private final Map<Parameter, NDArray> overlays;
  private final Map<Parameter, NDArray> residuals;
  private final Map<Linear, Projection.Replacement> replacements;
  private final Map<String, NDArray> frozen;
  private final Map<String, NDArray> state;
  private final Map<Junction, JunctionAdapter> junctions;
  private final Set<Adapter> used;
  private final List<Attachment> attachments;
  private final Map<Parameter, NDArray> carried;
  private final Map<String, Parameter> carriedKeys;
  private final Map<String, AdapterBuilder.Mirror> mirrors;
  private final Map<Linear, Embedding> tied;
  private final Export export;
  private final StepHook hook;
  private boolean active;

  public Adapter(String name, AdapterConfig config, NDManager manager, AdapterBuilder built) {
    this.name = name;
    this.config = config;
    this.manager = manager;
    this.tensors = Collections.unmodifiableMap(built.tensors);
    this.projections = built.projections;
    this.embeddings = built.embeddings;
    this.overlays = built.overlays;
    this.residuals = built.residuals;
    this.replacements = built.replacements;
    this.frozen = built.frozen;
    this.state = built.state;
    this.junctions = built.junctions;
    this.used = Set.copyOf(built.used.values());
    this.attachments = built.attachments;
    this.carried = built.carried;
    this.carriedKeys = built.carriedKeys;
    this.mirrors = built.mirrors;
    this.tied = built.tied;
    this.export = built.export;
    this.hook = built.hook;
  }

  public String name() {
    return name;
  }

  public AdapterConfig config() {
    return config;
  }

  /**
   * {@return the trained tensors, float32, under the names they have on disk without the {@code
   * base_model.model.} in front}; to read and to train, not to replace
   */
  public Map<String, NDArray> tensors() {
    return tensors;
  }

  /** {@return how many numbers are trained} */
  public long parameterCount() {
    return tensors.values().stream().mapToLong(NDArray::size).sum();
  }

  /** {@return how many of those the base does not have: all but the copies of its own} */
  public long addedCount() {
    Set<NDArray> copies = Collections.newSetFromMap(new IdentityHashMap<>()); // equals() compares
    copies.addAll(overlays.values());
    return parameterCount() - copies.stream().mapToLong(NDArray::size).sum();
  }

  /** {@return the names of the modules it acts on} */
  public List<String> targets() {
    // Heads and other modules trained in full go without saying beside an adapter of another kind.
    Stream<String> replaced =
        overlays.keySet().stream()
            .map(Parameter::name)
            .filter(name -> projections.isEmpty() && attachments.isEmpty());
    return Stream.of(
            embeddings.keySet().stream().map(Embedding::name),
            projections.keySet().stream().map(Linear::name),
            attachments.stream().map(Attachment::target),
            replaced.map(name -> name.substring(0, name.lastIndexOf('.'))))
        .flatMap(names -> names)
        .distinct()
        .toList();
  }

  public boolean active() {
    return active;
  }

  public void activate() {
    if (!active) {
      carried.forEach((parameter, value) -> parameter.lay(carried, value));
      overlays.forEach((parameter, value) -> parameter.lay(this, value));
      residuals.forEach((parameter, value) -> parameter.lay(this, value));
      replacements.values().forEach(Projection.Replacement::lay);
      projections.forEach((linear, adapter) -> linear.add(adapter));
      embeddings.forEach((embedding, adapter) -> embedding.add(adapter));
      attachments.forEach(attachment -> attachment.attach().run());
      active = true;
    }
  }

  public void deactivate() {
    if (active) {
      overlays.keySet().forEach(parameter -> parameter.lift(this));
      residuals.keySet().forEach(parameter -> parameter.lift(this));
      carried.keySet().forEach(parameter -> parameter.lift(carried));
      replacements.values().forEach(Projection.Replacement::lift);
      projections.forEach((linear, adapter) -> linear.remove(adapter));
      embeddings.forEach((embedding, adapter) -> embedding.remove(adapter));
      attachments.forEach(attachment -> attachment.detach().run());
      active = false;
    }
  }

  /** {@return what its files hold, by key: trained and frozen tensors} */
  public Map<String, NDArray> stored() {
    Map<String, NDArray> all = new LinkedHashMap<>(tensors);
    all.putAll(frozen);
    return all;
  }

  /**
   * {@return the base's tensors that its files hold beside its own and that differ from those of
   * this base, by the names they have on disk}: a table for a vocabulary that has grown, or what an
   * adapted embedding or head was before
   */
  public Set<String> carriedTensors() {
    return Collections.unmodifiableSet(carriedKeys.keySet());
  }

  /** {@return tensors that take the base's place while this adapter is active, under its own} */
  public Map<Parameter, NDArray> carried() {
    return carried;
  }

  /** {@return the heads whose factors are those of the embedding that they share a table with} */
  public Map<Linear, Embedding> tied() {
    return tied;
  }

  /**
   * {@return what its files hold beside {@link #stored}, by key, float32 on {@code scope}}: tensors
   * of the base, and second copies of its own
   */
  public Map<String, NDArray> copies(NDManager scope) {
    Map<String, NDArray> all = new LinkedHashMap<>();
    carriedKeys.forEach(
        (key, parameter) -> {
          NDArray wide = Ops.wideCopy(carried.get(parameter), scope);
          all.put(key, parameter.turned() ? turned(wide, scope) : wide);
        });
    mirrors.forEach(
        (key, mirror) ->
            all.put(
                key,
                mirror.turned() ? turned(mirror.of(), scope) : Ops.wideCopy(mirror.of(), scope)));
    return all;
  }

  private static NDArray turned(NDArray matrix, NDManager scope) {
    try (NDArray view = matrix.transpose()) {
      NDArray copy = view.duplicate();
      copy.attach(scope);
      return copy;
    }
  }

  /**
   * {@return what goes into a checkpoint beside its files, by key; empty where those are enough}
   */
  public Map<String, NDArray> privateState() {
    if (export == null && state.isEmpty()) {
      return Map.of();
    }
    Map<String, NDArray> all = stored();
    all.putAll(state);
    return all;
  }

  /** {@return what is written in place of {@link #stored}, or null} */
  public Export export() {
    return export;
  }

  /** {@return adapters that act through this one, and must not go before it does} */
  public Set<Adapter> used() {
    return used;
  }

  public Map<Junction, JunctionAdapter> junctions() {
    return junctions;
  }

  public List<Attachment> attachments() {
    return attachments;
  }

  /** Says how many optimizer steps a training that begins has, and that it is one. */
  public void beginTraining(int totalSteps) {
    if (hook != null) {
      hook.begin(totalSteps);
    }
  }

  /**
   * Lets the method add to the gradients of a step, once they are complete.
   *
   * @return what it adds to the loss
   */
  public double beforeUpdate() {
    return hook == null ? 0 : hook.beforeUpdate();
  }

  /**
   * Lets the method act after an optimizer's update, while the gradients are still there.
   *
   * @param step its number, from 1
   * @param gradientScale factor that the update had on the gradients, such as a clipping
   */
  public void afterUpdate(int step, double gradientScale) {
    if (hook != null) {
      hook.afterUpdate(step, gradientScale);
    }
  }

  public Map<Linear, ProjectionAdapter> projections() {
    return projections;
  }

  public Map<Embedding, EmbeddingAdapter> embeddings() {
    return embeddings;
  }

  /** {@return trained tensors that take the place of the base's} */
  public Map<Parameter, NDArray> overlays() {
    return overlays;
  }

  /** Wants gradients for its tensors, or does not. */
  public void setTrainable(boolean trainable) {
    tensors.values().forEach(tensor -> tensor.setRequiresGradient(trainable));
  }

  /** Sets all gradients to zero. */
  public void clearGradients() {
    tensors.values().forEach(Autograd::clearGradient);
  }

  public void close() {
    deactivate();
    replacements.values().forEach(Projection.Replacement::close);
    manager.close();
  }
}
