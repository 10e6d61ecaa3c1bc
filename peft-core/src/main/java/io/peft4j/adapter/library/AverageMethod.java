package io.peft4j.adapter.library;

import ai.djl.ndarray.NDArray;
import io.peft4j.adapter.method.AdapterBuilder;
import io.peft4j.adapter.method.DocumentMethod;
import io.peft4j.adapter.method.MethodConfig;
import io.peft4j.model.Model;
import io.peft4j.model.module.JunctionAdapter;
import io.peft4j.model.module.Kept;
import io.peft4j.model.module.Norm;
import io.peft4j.model.module.Parameter;
import io.peft4j.model.module.Pass;
import java.util.Collections;
import java.util.List;
import java.util.Locale;

/**
 * The average of what several bottlenecks give: {@code Σ wᵢ hᵢ}, where each reads what the first
 * does. Trains nothing; the head is that of the first. The bottlenecks have to be on the model
 * before, under the names that {@code adapter_names} has.
 *
 * <p>The adapters library (1.2) divides by the number of adapters once more: what it calls weights
 * without {@code normalize_weights} is that many times ours.
 *
 * <p>On disk {@code adapter_config.json} of our own; {@code weights} default to equal ones, and are
 * used as they are.
 */
public final class AverageMethod extends DocumentMethod {

  public AverageMethod() {
    super("AVERAGE", "{\"adapter_names\": [], \"weights\": null}");
  }

  @Override
  public boolean composes() {
    return true;
  }

  @Override
  public List<String> files() {
    return List.of();
  }

  @Override
  protected void check(MethodConfig config) {
    if (config.targets().savedWithHead() != null) {
      throw new IllegalArgumentException("an average trains no modules");
    }
    int count = config.texts("adapter_names").size();
    if (count == 0) {
      throw new IllegalArgumentException("'adapter_names': expected adapters, found none");
    }
    if (config.get("weights") != null && config.list("weights").size() != count) {
      throw new IllegalArgumentException(
          String.format(
              Locale.ROOT,
              "'weights': expected %d numbers, found %s",
              count,
              config.get("weights")));
    }
  }

  @Override
  protected MethodConfig complete(MethodConfig config, Model model) {
    int count = config.texts("adapter_names").size();
    return config.get("weights") != null
        ? config
        : config.with("weights", Collections.nCopies(count, 1.0 / count));
  }

  @Override
  protected void build(MethodConfig config, AdapterBuilder builder) {
    List<String> names = config.texts("adapter_names");
    List<Double> weights = config.list("weights");
    for (Bottlenecks place : Bottlenecks.of(names, builder)) {
      builder.adapt(place.junction(), new Average(place.adapters(), weights));
    }
    Object owner = new Object();
    builder
        .use(names.get(0))
        .overlays()
        .forEach(
            (Parameter parameter, NDArray value) ->
                builder.attach(
                    parameter.name(),
                    () -> parameter.lay(owner, value),
                    () -> parameter.lift(owner)));
  }

  private record Average(List<BottleneckAdapter> adapters, List<Double> weights)
      implements JunctionAdapter {

    @Override
    public NDArray apply(NDArray hidden, NDArray residual, Norm norm, Pass pass) {
      BottleneckAdapter.Read read = adapters.get(0).read(hidden, residual, norm);
      NDArray sum = null;
      for (int i = 0; i < adapters.size(); i++) {
        NDArray part = adapters.get(i).given(read, pass).mul(weights.get(i));
        sum = sum == null ? part : sum.add(part);
      }
      return sum;
    }

    @Override
    public NDArray join(NDArray hidden, NDArray output, NDArray residual, Norm norm) {
      return adapters.get(adapters.size() - 1).join(hidden, output, residual, norm);
    }

    @Override
    public boolean readsAllTokens() {
      return adapters.stream().anyMatch(JunctionAdapter::readsAllTokens);
    }

    @Override
    public Kept kept(long hidden) {
      return adapters.stream()
          .map(adapter -> adapter.kept(hidden))
          .reduce(Kept.NOTHING, Kept::plus);
    }

    @Override
    public boolean trainable() {
      return adapters.stream().anyMatch(JunctionAdapter::trainable);
    }
  }
}
