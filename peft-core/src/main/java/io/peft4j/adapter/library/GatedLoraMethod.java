package io.peft4j.adapter.library;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.adapter.method.AdapterBuilder;
import io.peft4j.adapter.method.AdapterMethod;
import io.peft4j.adapter.method.ConfigReader;
import io.peft4j.adapter.method.MethodConfig;
import io.peft4j.adapter.prompt.TrainedLinear;
import io.peft4j.model.module.Kept;
import io.peft4j.model.module.Linear;
import io.peft4j.model.module.Pass;
import io.peft4j.model.module.ProjectionAdapter;
import io.peft4j.torch.Ops;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * LoRA as the adapters library has it, with the gate that makes it a part of UniPELT (Mao et al.,
 * 2022), which peft's files have no place for: {@code y + g · B A x}, where g is the mean of {@code
 * sigmoid(w x + b)} over an example's tokens. Without {@code use_gating} g is α/r.
 *
 * <p>On disk {@code PROJECTION.loras.NAME.lora_A} [r, in], {@code lora_B} [out, r], {@code
 * gate.weight} [1, in] and {@code gate.bias} [1] in {@code adapter.safetensors}. A gate depends on
 * what is read, so there is no merge.
 */
public final class GatedLoraMethod extends LibraryMethod {

  private static final String CONFIG =
      """
      {"architecture": "lora", "selfattn_lora": true, "intermediate_lora": false,
       "output_lora": false, "leave_out": [], "r": 8, "alpha": 8, "dropout": 0.0,
       "attn_matrices": ["q", "v"], "composition_mode": "add", "init_weights": "lora",
       "init_weights_seed": null, "use_gating": true, "use_dora": false, "vera_d": null,
       "vera_b": null, "dtype": null}
      """;

  public GatedLoraMethod() {
    super("GATED_LORA", CONFIG, AdapterMethod.CONFIG, "adapter.safetensors");
  }

  @Override
  public List<String> sizeKeys() {
    return List.of("r");
  }

  @Override
  boolean recognizesConfig(ObjectNode config) {
    return config.path("architecture").asText().equals("lora");
  }

  @Override
  boolean owns(String key) {
    return key.contains(".loras.");
  }

  @Override
  protected void check(MethodConfig config) {
    ObjectNode supported = defaults().toJson();
    for (String key :
        List.of(
            "selfattn_lora",
            "intermediate_lora",
            "output_lora",
            "composition_mode",
            "init_weights",
            "use_dora",
            "vera_d",
            "vera_b",
            "dtype")) {
      JsonNode value = config.toJson().path(key);
      if (!value.equals(supported.get(key))) {
        throw new IllegalArgumentException(
            String.format(
                Locale.ROOT,
                "'%s': expected %s, all that is supported, found %s",
                key,
                supported.get(key),
                value));
      }
    }
    config.atLeast("r", 1);
    config.number("alpha");
    config.probability("dropout");
    config.flag("use_gating");
    List<String> matrices = config.texts("attn_matrices");
    if (matrices.isEmpty() || !List.of("q", "k", "v").containsAll(matrices)) {
      throw ConfigReader.wrong("attn_matrices", "some of q, k and v", config.get("attn_matrices"));
    }
  }

  @Override
  protected void build(MethodConfig config, AdapterBuilder builder) {
    List<Integer> left = new ArrayList<>();
    config.get("leave_out").forEach(layer -> left.add(layer.asInt()));
    LibraryAttention attention = LibraryAttention.of(builder.model());
    for (String matrix : config.texts("attn_matrices")) {
      List<Linear> layers = attention.each(builder.model(), matrix);
      for (int i = 0; i < layers.size(); i++) {
        if (!left.contains(i)) {
          builder.adapt(layers.get(i), projection(config, layers.get(i), builder));
        }
      }
    }
  }

  private static Gated projection(MethodConfig config, Linear linear, AdapterBuilder builder) {
    String at = linear.name() + ".loras." + config.text("name") + ".";
    long in = linear.projection().in();
    int rank = config.integer("r");
    return new Gated(
        builder.kaiming(at + "lora_A", rank, in),
        builder.zeros(at + "lora_B", linear.projection().out(), rank),
        config.flag("use_gating") ? LibraryAttention.gate(builder, at + "gate", 1, in) : null,
        builder.manager().create((float) (config.number("alpha") / rank)),
        config.probability("dropout"));
  }

  /**
   * On one projection.
   *
   * @param gate [1, in], or null
   * @param scaling 0-d, where there is no gate
   */
  private record Gated(NDArray a, NDArray b, TrainedLinear gate, NDArray scaling, double dropout)
      implements ProjectionAdapter {

    @Override
    public NDArray output(NDArray x, NDArray y, Linear linear, Pass pass) {
      NDArray inner = Ops.linear(pass.dropout(x, dropout), Ops.typedLike(x, a), null);
      NDArray factor =
          gate == null
              ? Ops.typedLike(x, scaling)
              : pass.meanOfExample(Ops.sigmoid(gate.forward(x)));
      return Ops.addLinear(y, inner.mul(factor), b);
    }

    @Override
    public boolean readsAllTokens() {
      return gate != null;
    }

    @Override
    public boolean mergeable() {
      return gate == null;
    }

    @Override
    public NDArray mergedWeight(NDArray weight, NDArray base, NDManager manager) {
      try (NDManager scope = manager.newSubManager()) {
        NDArray delta = b.matMul(a);
        delta.attach(scope);
        NDArray merged = weight.add(delta.muli(scaling));
        merged.attach(manager);
        return merged;
      }
    }

    @Override
    public Kept kept(long in, long out) {
      long inner = a.getShape().get(0);
      long scaled = gate == null ? inner : 2 * inner + 1; // before the gate, after it, and the gate
      return Kept.perToken(scaled + (dropout > 0 ? 2 * in : 0));
    }

    @Override
    public boolean keepsInput() {
      return dropout == 0 || gate != null; // else what was dropped out of it
    }

    @Override
    public boolean trainable() {
      return a.hasGradient();
    }
  }
}
