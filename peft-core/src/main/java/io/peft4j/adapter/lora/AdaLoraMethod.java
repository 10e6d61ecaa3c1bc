package io.peft4j.adapter.lora;

import ai.djl.ndarray.NDArray;
import com.fasterxml.jackson.databind.JsonNode;
import io.peft4j.adapter.method.AdapterBuilder;
import io.peft4j.adapter.method.AdapterKeys;
import io.peft4j.adapter.method.AdditiveProjection;
import io.peft4j.adapter.method.ConfigKeys;
import io.peft4j.adapter.method.DocumentMethod;
import io.peft4j.adapter.method.MethodConfig;
import io.peft4j.model.module.Kept;
import io.peft4j.model.module.Linear;
import io.peft4j.model.module.Module;
import io.peft4j.model.module.Pass;
import io.peft4j.torch.HostTensors;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * AdaLoRA (Zhang et al., 2023): {@code y + s · B (e · A x)}, where triplets of a row of A, an
 * element of e and a column of B are dropped by importance while training ({@link RankBudget}),
 * until a budget over all projections is met. A and B are held near orthogonal by a term of the
 * loss.
 *
 * <p>On disk {@code MODULE.lora_A} [r, in], {@code lora_B} [out, r], {@code lora_E} [r, 1] of the
 * triplets that are left, and in the config {@code rank_pattern}, which says of each whether it is.
 */
public final class AdaLoraMethod extends DocumentMethod {

  private static final ConfigKeys KEYS =
      LoraConfigJson.KEYS
          .idle("r", "peft's AdaLoRA takes init_r")
          .idle("alpha_pattern", "peft's AdaLoRA takes lora_alpha for all")
          .idle("use_rslora", "peft's AdaLoRA scales as ever")
          .idle("fan_in_fan_out", "weights are turned when the base is loaded")
          .idle("lora_bias", "peft's AdaLoRA has none")
          .unsupported(LoraConfig.WEIGHT_TYING);

  private static final Pattern ONLY_LIVE = Pattern.compile("\\.ranknum\\.[^.]+$");

  public AdaLoraMethod() {
    super(
        "ADALORA",
        """
        {"target_modules": null, "exclude_modules": null, "modules_to_save": null,
         "layers_to_transform": null, "layers_pattern": null, "r": 8, "init_r": 12, "target_r": 8,
         "tinit": 0, "tfinal": 0, "deltaT": 1, "beta1": 0.85, "beta2": 0.85,
         "orth_reg_weight": 0.5, "total_step": null, "rank_pattern": null, "lora_alpha": 8,
         "lora_dropout": 0.0, "bias": "none", "fan_in_fan_out": false, "init_lora_weights": true,
         "use_dora": false, "use_rslora": false}
        """);
  }

  @Override
  public ConfigKeys keys() {
    return KEYS;
  }

  @Override
  public List<String> sizeKeys() {
    return List.of("init_r", "rank_pattern");
  }

  @Override
  public List<String> parameterNames() {
    return List.of("lora_A", "lora_B", "lora_E");
  }

  /** Its count of triplets. */
  @Override
  public boolean isOnlyLive(String name) {
    return ONLY_LIVE.matcher(name).find();
  }

  @Override
  protected void check(MethodConfig config) {
    config.atLeast("init_r", 1);
    config.atLeast("target_r", 1);
    config.atLeast("deltaT", 1);
    config.probability("lora_dropout");
    if (config.flag("use_dora")) {
      throw new IllegalArgumentException("use_dora does not go with AdaLoRA");
    }
    if (!"none".equals(config.text("bias"))) {
      throw new IllegalArgumentException(
          "'bias': expected none, found " + config.text("bias") + "; BitFit trains biases");
    }
    if (config.number("orth_reg_weight") < 0) {
      throw new IllegalArgumentException(
          "'orth_reg_weight' must not be negative, found " + config.number("orth_reg_weight"));
    }
  }

  @Override
  protected void build(MethodConfig config, AdapterBuilder builder) {
    int initial = config.integer("init_r");
    double alpha = config.number("lora_alpha");
    double scaling = (alpha > 0 ? alpha : initial) / ((float) initial + 1e-5f);
    JsonNode start = config.get("init_lora_weights");
    boolean init = start != null && (start.isTextual() || start.asBoolean()); // as in Python
    List<Triplets> all = new ArrayList<>();
    for (Module module : builder.targets(config, Set.of(Linear.class))) {
      Linear linear = (Linear) module;
      int rank = rank(config, linear.name(), initial);
      if (rank == 0) {
        continue;
      }
      long in = linear.projection().in();
      long out = linear.projection().out();
      var random = builder.random(linear.name());
      String key = linear.name() + ".lora_";
      double std = init ? 0.02 : 1;
      double value = init ? 0 : 1;
      Triplets triplets =
          new Triplets(
              linear.name(),
              builder.drawn(key + "A", () -> std * random.nextGaussian(), rank, in),
              builder.drawn(key + "E", () -> value * random.nextGaussian(), rank, 1),
              builder.drawn(key + "B", () -> std * random.nextGaussian(), out, rank),
              HostTensors.number(builder.manager(), scaling));
      all.add(triplets);
      builder.adapt(linear, new Projection(triplets, config.number("lora_dropout")));
    }
    // What was loaded for inference has no budget to move.
    if (!config.flag("inference_mode")) {
      RankBudget budget = new RankBudget(config, all, builder);
      builder.hook(budget);
      builder.export(budget);
    }
  }

  /** What the pattern has for a module, with or without the name of the adapter behind. */
  private static JsonNode rankKey(MethodConfig config, JsonNode pattern, String module) {
    String key = RankBudget.rankKey(config, module);
    return pattern.properties().stream()
        .filter(entry -> AdapterKeys.strip(AdapterKeys.unnamed(entry.getKey())).equals(key))
        .map(Map.Entry::getValue)
        .findFirst()
        .orElse(null);
  }

  private static int rank(MethodConfig config, String module, int initial) {
    JsonNode pattern = config.get("rank_pattern");
    JsonNode kept = pattern == null ? null : rankKey(config, pattern, module);
    if (kept == null) {
      return initial;
    }
    int rank = 0;
    for (JsonNode element : kept) {
      rank += element.asBoolean() ? 1 : 0;
    }
    return rank;
  }

  /**
   * The trained tensors of one projection.
   *
   * @param a [r, in]
   * @param e [r, 1]
   * @param b [out, r]
   * @param scale float64 scalar
   */
  record Triplets(String module, NDArray a, NDArray e, NDArray b, NDArray scale) {}

  private static final class Projection extends AdditiveProjection {
    private final Triplets triplets;
    private final double dropout;

    Projection(Triplets triplets, double dropout) {
      this.triplets = triplets;
      this.dropout = dropout;
    }

    @Override
    public NDArray output(NDArray x, NDArray y, Linear linear, Pass pass) {
      NDArray dropped = pass.dropout(x, dropout);
      return AdaLoraOps.tripletLora(y, dropped, triplets.a, triplets.e, triplets.b, triplets.scale);
    }

    @Override
    protected NDArray delta(NDArray like) {
      return AdaLoraOps.tripletDelta(like, triplets.a, triplets.e, triplets.b, triplets.scale);
    }

    @Override
    public Kept kept(long in, long out) {
      return Kept.perToken(triplets.a.getShape().get(0) + (dropout > 0 ? 2 * in : 0));
    }

    @Override
    public boolean keepsInput() {
      return dropout == 0; // else what was dropped out of it
    }

    @Override
    public boolean trainable() {
      return triplets.e.hasGradient();
    }
  }
}
