package io.peft4j.adapter.compose;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.peft4j.adapter.AdaptedModel;
import io.peft4j.adapter.lora.LoraConfig;
import io.peft4j.adapter.lora.RoutedLora;
import io.peft4j.adapter.lora.RoutedWhole;
import io.peft4j.adapter.method.Adapter;
import io.peft4j.model.Uses;
import io.peft4j.model.batch.TokenBatch;
import io.peft4j.model.batch.TokenSequence;
import io.peft4j.model.module.Linear;
import io.peft4j.model.module.Parameter;
import io.peft4j.model.module.ProjectionAdapter;
import io.peft4j.torch.Autograd;
import io.peft4j.torch.Ops;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/**
 * Runs batches whose examples use different adapters of one model, or none, as peft's {@code
 * adapter_names} does. Plain LoRA, of any ranks, and heads trained in full run together in one
 * pass, with the factors of all adapters stacked; adapters of other methods have a pass each.
 *
 * <p>What an adapter is when this is made counts; adapters that are trained later need a new one.
 * Owns the stacks, not the adapters. Threads that use it take turns.
 */
public final class MixedAdapters implements AutoCloseable {

  /** The name that stands for no adapter. */
  public static final String BASE = "__base__";

  private final AdaptedModel model;
  private final NDManager manager;
  private final Map<String, Integer> routed = new LinkedHashMap<>();
  private final List<Place> places = new ArrayList<>();

  private record Place(Linear linear, ProjectionAdapter adapter) {}

  /**
   * @param names of adapters that batches may use
   * @throws IllegalArgumentException if there is none of a name
   */
  public MixedAdapters(AdaptedModel model, Collection<String> names) {
    this.model = model;
    this.manager = model.model().manager().newSubManager();
    routed.put(BASE, 0);
    List<Adapter> together = new ArrayList<>();
    for (String name : names) {
      Adapter adapter = model.adapter(name);
      if (routable(adapter)) {
        routed.put(name, routed.size());
        together.add(adapter);
      }
    }
    try (Autograd.Mode paused = Autograd.pause()) {
      stack(together);
    } catch (RuntimeException e) {
      manager.close();
      throw e;
    }
  }

  /** {@return whether the adapter is nothing but plain LoRA on linear layers, and whole heads} */
  private boolean routable(Adapter adapter) {
    boolean plain = adapter.config() instanceof LoraConfig config && config.isPlain();
    Set<Parameter> heads = new LinkedHashSet<>();
    for (Linear linear : heads(adapter)) {
      heads.addAll(linear.parameters());
    }
    return plain
        && adapter.embeddings().isEmpty()
        && adapter.carried().isEmpty()
        && heads.containsAll(adapter.overlays().keySet())
        && model.model().modules().outputEmbedding().stream()
            .noneMatch(adapter.projections()::containsKey);
  }

  /** {@return the linear layers that the adapter trains in full} */
  private List<Linear> heads(Adapter adapter) {
    return model.model().modules().leaves().stream()
        .filter(Linear.class::isInstance)
        .map(Linear.class::cast)
        .filter(linear -> linear.parameters().stream().anyMatch(adapter.overlays()::containsKey))
        .toList();
  }

  private void stack(List<Adapter> adapters) {
    Set<Linear> adapted = new LinkedHashSet<>();
    Set<Linear> replaced = new LinkedHashSet<>();
    for (Adapter adapter : adapters) {
      adapted.addAll(adapter.projections().keySet());
      replaced.addAll(heads(adapter));
    }
    // A whole weight first: to it the factors of other adapters are added.
    for (Linear linear : replaced) {
      places.add(new Place(linear, wholes(linear, adapters)));
    }
    for (Linear linear : adapted) {
      places.add(new Place(linear, factors(linear, adapters)));
    }
  }

  /** All adapters' factors; those of none are zero. */
  private RoutedLora factors(Linear linear, List<Adapter> adapters) {
    String keyA = linear.name() + ".lora_A.weight";
    String keyB = linear.name() + ".lora_B.weight";
    int in = (int) linear.projection().in();
    int out = (int) linear.projection().out();
    int rank = 0;
    for (Adapter adapter : adapters) {
      NDArray a = adapter.tensors().get(keyA);
      rank = a == null ? rank : Math.max(rank, (int) a.getShape().get(0));
    }
    float[] rows = new float[(adapters.size() + 1) * rank * in];
    float[] columns = new float[(adapters.size() + 1) * out * rank];
    for (int k = 1; k <= adapters.size(); k++) {
      Adapter adapter = adapters.get(k - 1);
      NDArray a = adapter.tensors().get(keyA);
      if (a == null) {
        continue;
      }
      int own = (int) a.getShape().get(0);
      System.arraycopy(a.toFloatArray(), 0, rows, k * rank * in, own * in);
      float[] b = adapter.tensors().get(keyB).toFloatArray();
      float scaling = (float) ((LoraConfig) adapter.config()).scalingOf(linear.name());
      for (int row = 0; row < out; row++) {
        for (int i = 0; i < own; i++) {
          columns[(k * out + row) * rank + i] = scaling * b[row * own + i];
        }
      }
    }
    int n = adapters.size() + 1;
    return new RoutedLora(
        manager.create(rows, new Shape(n, rank, in)),
        manager.create(columns, new Shape(n, out, rank)));
  }

  /** All adapters' weights and biases; the base's where they have none. */
  private RoutedWhole wholes(Linear linear, List<Adapter> adapters) {
    if (linear.weight() == null) {
      throw new IllegalArgumentException(linear.name() + ": a head needs a dense weight");
    }
    NDList weights = new NDList();
    NDList biases = new NDList();
    for (int k = 0; k <= adapters.size(); k++) {
      Adapter adapter = k == 0 ? null : adapters.get(k - 1);
      weights.add(wide(linear.weight(), adapter));
      if (linear.projection().bias() != null) {
        biases.add(wide(linear.projection().bias(), adapter));
      }
    }
    return new RoutedWhole(stacked(weights), biases.isEmpty() ? null : stacked(biases));
  }

  private NDArray wide(Parameter parameter, Adapter adapter) {
    NDArray own = adapter == null ? null : adapter.overlays().get(parameter);
    NDArray wide = Ops.toFloat32(own == null ? parameter.base() : own);
    wide.attach(manager);
    return wide;
  }

  private NDArray stacked(NDList arrays) {
    NDArray stacked = NDArrays.stack(arrays);
    stacked.attach(manager);
    arrays.close();
    return stacked;
  }

  /**
   * {@return a classifier's logits, [examples][labels]}
   *
   * @param adapters the name of each example's adapter, or {@value #BASE}
   * @throws IllegalArgumentException if there are not as many names as sequences, or one is not of
   *     an adapter
   */
  public float[][] logits(List<TokenSequence> sequences, List<String> adapters) {
    if (sequences.size() != adapters.size()) {
      throw new IllegalArgumentException(
          String.format(
              Locale.ROOT,
              "expected an adapter for each of %d sequences, found %d",
              sequences.size(),
              adapters.size()));
    }
    Map<String, List<Integer>> passes = new LinkedHashMap<>();
    for (int i = 0; i < adapters.size(); i++) {
      String name = adapters.get(i);
      if (!name.equals(BASE)) {
        model.adapter(name);
      }
      passes
          .computeIfAbsent(routed.containsKey(name) ? BASE : name, key -> new ArrayList<>())
          .add(i);
    }
    float[][] logits = new float[sequences.size()][];
    try (Uses.Use use = model.model().uses().changeInTurn("run several adapters")) {
      run(passes, sequences, adapters, logits);
    }
    return logits;
  }

  private void run(
      Map<String, List<Integer>> passes,
      List<TokenSequence> sequences,
      List<String> adapters,
      float[][] logits) {
    List<String> before =
        model.adapters().values().stream().filter(Adapter::active).map(Adapter::name).toList();
    try {
      passes.forEach(
          (name, members) -> {
            float[][] part = pass(name, members, sequences, adapters);
            for (int i = 0; i < part.length; i++) {
              logits[members.get(i)] = part[i];
            }
          });
    } finally {
      model.activate(before.toArray(String[]::new));
    }
  }

  private float[][] pass(
      String name, List<Integer> members, List<TokenSequence> sequences, List<String> adapters) {
    List<TokenSequence> own = members.stream().map(sequences::get).toList();
    if (!name.equals(BASE)) {
      model.activate(name);
      try (TokenBatch batch = model.model().batch(own)) {
        return model.model().logits(batch);
      }
    }
    model.activate();
    int[] groups = members.stream().mapToInt(i -> routed.get(adapters.get(i))).toArray();
    places.forEach(place -> place.linear.add(place.adapter));
    try (TokenBatch batch = model.model().batch(own, groups)) {
      return model.model().logits(batch);
    } finally {
      places.forEach(place -> place.linear.remove(place.adapter));
    }
  }

  @Override
  public void close() {
    manager.close();
  }
}
