package io.peft4j.adapter.lycoris;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import com.fasterxml.jackson.databind.JsonNode;
import io.peft4j.adapter.method.AdapterBuilder;
import io.peft4j.adapter.method.ConfigKeys;
import io.peft4j.adapter.method.ConfigReader;
import io.peft4j.adapter.method.DocumentMethod;
import io.peft4j.adapter.method.MethodConfig;
import io.peft4j.model.module.Linear;
import io.peft4j.model.module.Module;
import io.peft4j.torch.HostTensors;
import java.util.List;
import java.util.Set;

/**
 * LoKr (LyCORIS; Edalati et al., 2022): {@code W + α/r · W₁ ⊗ W₂}, a Kronecker product whose
 * factors are whole, or products of two thin ones where that has fewer numbers.
 *
 * <p>On disk {@code MODULE.lokr_w1} [l, m] or {@code lokr_w1_a} [l, r] and {@code lokr_w1_b} [r,
 * m], and the same with {@code w2} for [out/l, in/m].
 */
public final class LokrMethod extends DocumentMethod {

  public LokrMethod() {
    super(
        "LOKR",
        """
        {"target_modules": null, "exclude_modules": null, "modules_to_save": null,
         "layers_to_transform": null, "layers_pattern": null, "r": 8, "alpha": 8,
         "rank_pattern": {}, "alpha_pattern": {}, "rank_dropout": 0.0, "module_dropout": 0.0,
         "rank_dropout_scale": false, "decompose_both": false, "decompose_factor": -1,
         "use_effective_conv2d": false, "init_weights": true}
        """);
  }

  /** Which factor is zero in the beginning. */
  private enum Init {
    FIRST,
    SECOND,
    NONE;

    static Init of(JsonNode node) {
      if (node != null && node.isBoolean()) {
        return node.asBoolean() ? FIRST : NONE;
      }
      if (node != null && node.asText().equals("lycoris")) {
        return SECOND;
      }
      throw ConfigReader.wrong("init_weights", "true, false or lycoris", node);
    }
  }

  @Override
  public ConfigKeys keys() {
    return LycorisProjection.KEYS;
  }

  @Override
  public List<String> sizeKeys() {
    return List.of("r", "rank_pattern", "decompose_both", "decompose_factor");
  }

  @Override
  public List<String> parameterNames() {
    return List.of(
        "lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b", "lokr_t2");
  }

  @Override
  protected boolean patterned() {
    return true;
  }

  @Override
  protected void check(MethodConfig config) {
    LycorisProjection.check(config);
    Init.of(config.get("init_weights"));
  }

  @Override
  protected void build(MethodConfig config, AdapterBuilder builder) {
    Init init = Init.of(config.get("init_weights"));
    int factor = config.integer("decompose_factor");
    LycorisProjection.Sizes sizes = new LycorisProjection.Sizes(config);
    for (Module module : builder.targets(config, Set.of(Linear.class))) {
      Linear linear = (Linear) module;
      int rank = sizes.rank(linear.name());
      long[] out = factors(linear.projection().out(), factor);
      long[] in = factors(linear.projection().in(), factor);
      boolean firstWhole = !config.flag("decompose_both") || 2L * rank >= Math.max(out[0], in[0]);
      boolean secondWhole = 2L * rank >= Math.max(out[1], in[1]);
      String key = linear.name() + ".lokr_w";
      // A zero factor starts in its first thin one, or its second, as in peft.
      NDArray[] first =
          factor(
              builder,
              key + "1",
              firstWhole,
              rank,
              out[0],
              in[0],
              init == Init.FIRST ? "_a" : null);
      NDArray[] second =
          factor(
              builder,
              key + "2",
              secondWhole,
              rank,
              out[1],
              in[1],
              init == Init.SECOND ? "_b" : null);
      NDManager manager = builder.manager();
      NDArray scale = HostTensors.number(manager, sizes.scaling(linear.name()));
      LycorisProjection.Delta delta = like -> LycorisOps.kron(like, first, second, scale);
      builder.adapt(
          linear,
          new LycorisProjection(delta, first[0], config, config.flag("rank_dropout_scale"), 0));
    }
  }

  /**
   * @param zero the end of the name of what starts as zero if the factor is two; null for none
   */
  private static NDArray[] factor(
      AdapterBuilder builder,
      String key,
      boolean whole,
      int rank,
      long rows,
      long columns,
      String zero) {
    if (whole) {
      return new NDArray[] {
        zero != null ? builder.zeros(key, rows, columns) : builder.kaiming(key, rows, columns)
      };
    }
    NDArray a =
        "_a".equals(zero)
            ? builder.zeros(key + "_a", rows, rank)
            : builder.kaiming(key + "_a", rows, rank);
    NDArray b =
        "_b".equals(zero)
            ? builder.zeros(key + "_b", rank, columns)
            : builder.kaiming(key + "_b", rank, columns);
    return new NDArray[] {a, b};
  }

  /**
   * {@return two factors of {@code n}, the first not above the second} The first is {@code wanted}
   * if that divides n, else the largest divisor up to it and to √n; -1 wants the largest.
   */
  public static long[] factors(long n, int wanted) {
    if (wanted > 0 && n % wanted == 0) {
      return new long[] {wanted, n / wanted};
    }
    long first = 1;
    for (long d = 2; d * d <= n && (wanted == -1 || d <= wanted); d++) {
      if (n % d == 0) {
        first = d;
      }
    }
    return new long[] {first, n / first};
  }
}
