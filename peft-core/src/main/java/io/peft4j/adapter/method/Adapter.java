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
import java.util.function.Consumer;
import java.util.stream.Stream;

/**
 * A named set of trained tensors on a model, and where they act. Made by {@link
 * io.peft4j.adapter.AdaptedModel}.
 */
public final class Adapter {

  private final String name;
  private final AdapterConfig config;
  private final NDManager manager;
  private final AdapterParts parts;
  private final Set<Adapter> used;
  private boolean active;

  private Adapter(String name, AdapterConfig config, NDManager manager, AdapterParts parts) {
    this.name = name;
    this.config = config;
    this.manager = manager;
    this.parts = parts;
    this.used = Set.copyOf(parts.used.values());
  }

  /**
   * {@return an adapter, not yet active}
   *
   * @param config one that its method has settled for the model
   * @param steps has the method build it, and what else there is to do
   * @throws IllegalArgumentException if the config does not fit the model
   */
  public static Adapter build(
      String name,
      AdapterConfig config,
      AdapterContext context,
      AdapterOrigin origin,
      Consumer<AdapterBuilder> steps) {
    AdapterBuilder builder = new AdapterBuilder(context, config, origin);
    steps.accept(builder);
    return new Adapter(name, config, context.manager(), builder.parts());
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
    return Collections.unmodifiableMap(parts.tensors);
  }

  /** {@return how many numbers are trained} */
  public long parameterCount() {
    return parts.tensors.values().stream().mapToLong(NDArray::size).sum();
  }

  /** {@return how many of those the base does not have: all but the copies of its own} */
  public long addedCount() {
    Set<NDArray> copies = Collections.newSetFromMap(new IdentityHashMap<>()); // equals() compares
    copies.addAll(parts.overlays.values());
    return parameterCount() - copies.stream().mapToLong(NDArray::size).sum();
  }

  /** {@return the names of the modules it acts on} */
  public List<String> targets() {
    // Heads and other modules trained in full go without saying beside an adapter of another kind.
    Stream<String> replaced =
        parts.overlays.keySet().stream()
            .map(Parameter::name)
            .filter(name -> parts.projections.isEmpty() && parts.attachments.isEmpty());
    return Stream.of(
            parts.embeddings.keySet().stream().map(Embedding::name),
            parts.projections.keySet().stream().map(Linear::name),
            parts.attachments.stream().map(Attachment::target),
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
      parts.carried.forEach((parameter, value) -> parameter.lay(parts.carried, value));
      parts.overlays.forEach((parameter, value) -> parameter.lay(this, value));
      parts.residuals.forEach((parameter, value) -> parameter.lay(this, value));
      parts.replacements.values().forEach(Projection.Replacement::lay);
      parts.projections.forEach((linear, adapter) -> linear.add(adapter));
      parts.embeddings.forEach((embedding, adapter) -> embedding.add(adapter));
      parts.attachments.forEach(attachment -> attachment.attach().run());
      active = true;
    }
  }

  public void deactivate() {
    if (active) {
      parts.overlays.keySet().forEach(parameter -> parameter.lift(this));
      parts.residuals.keySet().forEach(parameter -> parameter.lift(this));
      parts.carried.keySet().forEach(parameter -> parameter.lift(parts.carried));
      parts.replacements.values().forEach(Projection.Replacement::lift);
      parts.projections.forEach((linear, adapter) -> linear.remove(adapter));
      parts.embeddings.forEach((embedding, adapter) -> embedding.remove(adapter));
      parts.attachments.forEach(attachment -> attachment.detach().run());
      active = false;
    }
  }

  /** {@return what its files hold, by key: trained and frozen tensors} */
  public Map<String, NDArray> stored() {
    Map<String, NDArray> all = new LinkedHashMap<>(parts.tensors);
    all.putAll(parts.frozen);
    return all;
  }

  /**
   * {@return the base's tensors that its files hold beside its own and that differ from those of
   * this base, by the names they have on disk}: a table for a vocabulary that has grown, or what an
   * adapted embedding or head was before
   */
  public Set<String> carriedTensors() {
    return Collections.unmodifiableSet(parts.carriedKeys.keySet());
  }

  /** {@return tensors that take the base's place while this adapter is active, under its own} */
  public Map<Parameter, NDArray> carried() {
    return parts.carried;
  }

  /** {@return whether the table of a {@link #tied} head changes as its embedding's does} */
  public boolean tiedAlike(Linear head) {
    return parts.tiedAlike.contains(head);
  }

  /** {@return the heads whose factors are those of the embedding that they share a table with} */
  public Map<Linear, Embedding> tied() {
    return parts.tied;
  }

  /**
   * {@return what its files hold beside {@link #stored}, by key, float32 on {@code scope}}: tensors
   * of the base, and second copies of its own
   */
  public Map<String, NDArray> copies(NDManager scope) {
    Map<String, NDArray> all = new LinkedHashMap<>();
    parts.carriedKeys.forEach(
        (key, parameter) -> {
          NDArray wide = Ops.wideCopy(parts.carried.get(parameter), scope);
          all.put(key, parameter.turned() ? turned(wide, scope) : wide);
        });
    parts.mirrors.forEach(
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
    if (parts.export == null && parts.state.isEmpty()) {
      return Map.of();
    }
    Map<String, NDArray> all = stored();
    all.putAll(parts.state);
    return all;
  }

  /** {@return what is written in place of {@link #stored}, or null} */
  public Export export() {
    return parts.export;
  }

  /** {@return adapters that act through this one, and must not go before it does} */
  public Set<Adapter> used() {
    return used;
  }

  public Map<Junction, JunctionAdapter> junctions() {
    return parts.junctions;
  }

  public List<Attachment> attachments() {
    return parts.attachments;
  }

  /** Says how many optimizer steps a training that begins has, and that it is one. */
  public void beginTraining(int totalSteps) {
    if (parts.hook != null) {
      parts.hook.begin(totalSteps);
    }
  }

  /**
   * Lets the method add to the gradients of a step, once they are complete.
   *
   * @return what it adds to the loss
   */
  public double beforeUpdate() {
    return parts.hook == null ? 0 : parts.hook.beforeUpdate();
  }

  /**
   * Lets the method act after an optimizer's update, while the gradients are still there.
   *
   * @param step its number, from 1
   * @param gradientScale factor that the update had on the gradients, such as a clipping
   */
  public void afterUpdate(int step, double gradientScale) {
    if (parts.hook != null) {
      parts.hook.afterUpdate(step, gradientScale);
    }
  }

  public Map<Linear, ProjectionAdapter> projections() {
    return parts.projections;
  }

  public Map<Embedding, EmbeddingAdapter> embeddings() {
    return parts.embeddings;
  }

  /** {@return trained tensors that take the place of the base's} */
  public Map<Parameter, NDArray> overlays() {
    return parts.overlays;
  }

  /** Wants gradients for its tensors, or does not. */
  public void setTrainable(boolean trainable) {
    parts.tensors.values().forEach(tensor -> tensor.setRequiresGradient(trainable));
  }

  /** Sets all gradients to zero. */
  public void clearGradients() {
    parts.tensors.values().forEach(Autograd::clearGradient);
  }

  public void close() {
    deactivate();
    parts.replacements.values().forEach(Projection.Replacement::close);
    manager.close();
  }
}
