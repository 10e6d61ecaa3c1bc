package io.peft4j.adapter.select;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import io.peft4j.adapter.method.AdapterBuilder;
import io.peft4j.adapter.method.ConfigKeys;
import io.peft4j.adapter.method.DocumentMethod;
import io.peft4j.adapter.method.MethodConfig;
import io.peft4j.adapter.target.ModuleSelector;
import io.peft4j.model.Model;
import io.peft4j.model.family.Families;
import io.peft4j.model.family.Family;
import io.peft4j.model.module.Kept;
import io.peft4j.model.module.Linear;
import io.peft4j.model.module.Module;
import io.peft4j.model.module.Pass;
import io.peft4j.model.module.ProjectionAdapter;
import java.util.List;
import java.util.Set;
import java.util.function.Predicate;

/**
 * (IA)³ (Liu et al., 2022): the output of a projection, or the input of one that is called
 * feed-forward, times a trained vector.
 *
 * <p>On disk {@code MODULE.ia3_l}, [out, 1] or [1, in].
 */
public final class Ia3Method extends DocumentMethod {

  private static final ConfigKeys KEYS =
      ConfigKeys.of("(IA)³").idle("fan_in_fan_out", "weights are turned when the base is loaded");

  public Ia3Method() {
    super(
        "IA3",
        """
        {"target_modules": null, "exclude_modules": null, "feedforward_modules": null,
         "modules_to_save": null, "fan_in_fan_out": false, "init_ia3_weights": true}
        """);
  }

  @Override
  public ConfigKeys keys() {
    return KEYS;
  }

  @Override
  public List<String> parameterNames() {
    return List.of("ia3_l");
  }

  @Override
  protected void check(MethodConfig config) {
    ModuleSelector targets = config.selector("target_modules");
    ModuleSelector feedForward = config.selector("feedforward_modules");
    if (targets != null
        && feedForward != null
        && targets.names() != null
        && feedForward.names() != null
        && !targets.names().containsAll(feedForward.names())) {
      throw new IllegalArgumentException(
          "'feedforward_modules' must be among target_modules "
              + targets.names()
              + ", found "
              + feedForward.names());
    }
  }

  /** Of the default targets the last is the feed-forward one, in every family. */
  @Override
  protected MethodConfig complete(MethodConfig config, Model model) {
    if (config.get("feedforward_modules") != null) {
      return config;
    }
    Family family = Families.find(model.config().modelType());
    List<String> defaults = family == null ? List.of() : family.defaultTargets(peftType());
    ModuleSelector targets = config.selector("target_modules");
    boolean known = !defaults.isEmpty() && defaults.equals(targets.names());
    return config.with(
        "feedforward_modules", known ? List.of(defaults.get(defaults.size() - 1)) : List.of());
  }

  @Override
  protected void build(MethodConfig config, AdapterBuilder builder) {
    Predicate<String> feedForward = feedForward(config.selector("feedforward_modules"));
    for (Module module : builder.targets(config, Set.of(Linear.class))) {
      Linear linear = (Linear) module;
      boolean input = feedForward.test(linear.name());
      String key = linear.name() + ".ia3_l";
      long[] shape =
          input
              ? new long[] {1, linear.projection().in()}
              : new long[] {linear.projection().out(), 1};
      var random = builder.random(key);
      boolean ones = config.flag("init_ia3_weights");
      NDArray vector = builder.drawn(key, () -> ones ? 1 : random.nextGaussian(), shape);
      builder.adapt(linear, new Scaled(vector, input));
    }
  }

  /** As in peft, where the end of a name may be the middle of a word. */
  private static Predicate<String> feedForward(ModuleSelector selector) {
    return selector.regex() != null
        ? selector.matcher()
        : module -> selector.names().stream().anyMatch(module::endsWith);
  }

  /** {@code y · l}, or {@code W (l · x)}. */
  private record Scaled(NDArray vector, boolean ofInput) implements ProjectionAdapter {

    @Override
    public NDArray input(NDArray x, Pass pass) {
      return ofInput ? Ia3Ops.scaled(x, vector) : x;
    }

    @Override
    public NDArray output(NDArray x, NDArray y, Linear linear, Pass pass) {
      return ofInput ? y : Ia3Ops.scaled(y, vector);
    }

    @Override
    public boolean mergeable() {
      return true;
    }

    @Override
    public NDArray mergedWeight(NDArray weight, NDArray base, NDManager manager) {
      NDArray merged = weight.mul(vector);
      merged.attach(manager);
      return merged;
    }

    @Override
    public NDArray mergedBias(NDArray bias, NDManager manager) {
      if (ofInput || bias == null) {
        return null;
      }
      NDArray merged = Ia3Ops.scaled(bias, vector);
      merged.attach(manager);
      return merged;
    }

    @Override
    public Kept kept(long in, long out) {
      return Kept.perToken(ofInput ? 0 : out);
    }

    @Override
    public boolean keepsInput() {
      return ofInput;
    }

    @Override
    public boolean trainable() {
      return vector.hasGradient();
    }
  }
}
