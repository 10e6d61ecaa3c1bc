package io.peft4j.adapter.lycoris;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import io.peft4j.adapter.method.AdapterBuilder;
import io.peft4j.adapter.method.ConfigKeys;
import io.peft4j.adapter.method.DocumentMethod;
import io.peft4j.adapter.method.MethodConfig;
import io.peft4j.model.module.Linear;
import io.peft4j.model.module.Module;
import io.peft4j.torch.HostTensors;
import java.util.List;
import java.util.Set;

/**
 * LoHa (Hyeon-Woo et al., 2022; LyCORIS): {@code W + α/r · (A₁ B₁) ⊙ (A₂ B₂)}, elementwise, of rank
 * up to r².
 *
 * <p>On disk {@code MODULE.hada_w1_a} [out, r], {@code hada_w1_b} [r, in], {@code hada_w2_a},
 * {@code hada_w2_b}.
 */
public final class LohaMethod extends DocumentMethod {

  public LohaMethod() {
    super(
        "LOHA",
        """
        {"target_modules": null, "exclude_modules": null, "modules_to_save": null,
         "layers_to_transform": null, "layers_pattern": null, "r": 8, "alpha": 8,
         "rank_pattern": {}, "alpha_pattern": {}, "rank_dropout": 0.0, "module_dropout": 0.0,
         "use_effective_conv2d": false, "init_weights": true}
        """);
  }

  @Override
  public ConfigKeys keys() {
    return LycorisProjection.KEYS;
  }

  @Override
  public List<String> sizeKeys() {
    return List.of("r", "rank_pattern");
  }

  @Override
  public List<String> parameterNames() {
    return List.of("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b", "hada_t1", "hada_t2");
  }

  @Override
  protected boolean patterned() {
    return true;
  }

  @Override
  protected void check(MethodConfig config) {
    LycorisProjection.check(config);
  }

  @Override
  protected void build(MethodConfig config, AdapterBuilder builder) {
    LycorisProjection.Sizes sizes = new LycorisProjection.Sizes(config);
    for (Module module : builder.targets(config, Set.of(Linear.class))) {
      Linear linear = (Linear) module;
      long in = linear.projection().in();
      long out = linear.projection().out();
      int rank = sizes.rank(linear.name());
      String key = linear.name() + ".hada_w";
      NDArray a1 = builder.kaiming(key + "1_a", out, rank);
      NDArray b1 = builder.kaiming(key + "1_b", rank, in);
      NDArray a2 = builder.kaiming(key + "2_a", out, rank);
      NDArray b2 =
          config.flag("init_weights")
              ? builder.zeros(key + "2_b", rank, in)
              : builder.kaiming(key + "2_b", rank, in);
      NDManager manager = builder.manager();
      NDArray scale = HostTensors.number(manager, sizes.scaling(linear.name()));
      LycorisProjection.Delta delta = like -> LycorisOps.hadamard(like, a1, b1, a2, b2, scale);
      builder.adapt(linear, new LycorisProjection(delta, a1, config, true, 2));
    }
  }
}
