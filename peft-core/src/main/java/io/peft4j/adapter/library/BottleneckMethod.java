package io.peft4j.adapter.library;

import ai.djl.ndarray.NDArray;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.adapter.method.AdapterBuilder;
import io.peft4j.adapter.method.AdapterConfig;
import io.peft4j.adapter.method.AdapterMethod;
import io.peft4j.adapter.method.ConfigReader;
import io.peft4j.adapter.method.MethodConfig;
import io.peft4j.adapter.prompt.TrainedLinear;
import io.peft4j.model.module.Activation;
import io.peft4j.model.module.Junction;
import io.peft4j.model.module.LayerSites;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.DoubleSupplier;

/**
 * Bottleneck adapters (Houlsby et al., 2019; Pfeiffer et al., 2021; He et al., 2022): small
 * networks {@code s · W_up f(W_down x)} where sub-layers join the residual stream, one after the
 * other with them or beside them. See {@link BottleneckAdapter} for what they do, {@link #presets}
 * for the forms that have names.
 *
 * <p>Config and files are those of the adapters library: {@code
 * JUNCTION.adapters.NAME.adapter_down.0.weight} and so on in {@code adapter.safetensors}.
 * AdapterDrop (Rücklé et al., 2021) is {@code leave_out}, or, while training, {@code adapter_drop}:
 * up to how many of the lowest layers go without adapters in a step, drawn anew for each.
 */
public final class BottleneckMethod extends LibraryMethod {

  /** Keys of the library's {@code config}, with the values that its Pfeiffer form has. */
  private static final String CONFIG =
      """
      {"mh_adapter": false, "output_adapter": true, "reduction_factor": 16,
       "non_linearity": "relu", "original_ln_before": true, "original_ln_after": true,
       "ln_before": false, "ln_after": false, "init_weights": "bert",
       "init_weights_seed": null, "is_parallel": false, "scaling": 1.0, "use_gating": false, "residual_before_ln": true,
       "adapter_residual_before_ln": false, "inv_adapter": null,
       "inv_adapter_reduction_factor": null, "cross_adapter": false, "leave_out": [],
       "dropout": 0.0, "phm_layer": false, "phm_dim": 4, "factorized_phm_W": true,
       "shared_W_phm": false, "shared_phm_rule": true, "factorized_phm_rule": false,
       "phm_c_init": "normal", "phm_init_range": 0.0001, "learn_phm": true,
       "hypercomplex_nonlinearity": "glorot-uniform", "phm_rank": 1, "phm_bias": true,
       "stochastic_depth": 0.0, "adapter_drop": 0}
      """;

  public BottleneckMethod() {
    super("BOTTLENECK", CONFIG, AdapterMethod.CONFIG, "adapter.safetensors");
  }

  @Override
  public Map<String, AdapterConfig> presets() {
    Map<String, AdapterConfig> presets = new LinkedHashMap<>();
    for (String form : List.of("pfeiffer", "houlsby", "parallel", "scaled_parallel")) {
      presets.put(form, BottleneckPresets.named(form));
    }
    return presets;
  }

  @Override
  public List<String> sizeKeys() {
    return List.of("reduction_factor");
  }

  @Override
  boolean recognizesConfig(ObjectNode config) {
    return config.has("reduction_factor") && config.has("non_linearity");
  }

  @Override
  ObjectNode written(ObjectNode config) {
    if (config.path("adapter_drop").asInt() == 0) {
      config.remove("adapter_drop");
    }
    return config;
  }

  @Override
  boolean owns(String key) {
    return key.contains(".adapters.");
  }

  @Override
  protected void check(MethodConfig config) {
    for (String key : List.of("ln_before", "phm_layer", "inv_adapter")) {
      JsonNode value = config.get(key);
      if (value != null && !(value.isBoolean() && !value.asBoolean())) {
        throw new IllegalArgumentException(
            "'" + key + "' asks for a form of bottleneck that is not supported: " + value);
      }
    }
    if (!config.flag("mh_adapter") && !config.flag("output_adapter")) {
      throw new IllegalArgumentException("one of mh_adapter and output_adapter must be true");
    }
    config.probability("dropout");
    Activation.named(config.text("non_linearity"));
    String init = config.text("init_weights");
    if (init == null || !init.matches("bert|mam_adapter|houlsby")) {
      throw new IllegalArgumentException(
          "'init_weights': expected bert, mam_adapter or houlsby, found " + init);
    }
    JsonNode scaling = config.get("scaling");
    boolean known =
        scaling != null && (scaling.isNumber() || scaling.asText().matches("learned|channel"));
    if (!known) {
      throw ConfigReader.wrong("scaling", "a number, learned or channel", scaling);
    }
  }

  @Override
  protected void build(MethodConfig config, AdapterBuilder builder) {
    List<Integer> left = new ArrayList<>();
    config.get("leave_out").forEach(layer -> left.add(layer.asInt()));
    for (LayerSites sites : builder.model().sites()) {
      if (left.contains(sites.layer())) {
        continue;
      }
      if (config.flag("mh_adapter")) {
        add(config, sites.attention(), sites.layer(), builder);
      }
      if (config.flag("output_adapter")) {
        add(config, sites.output(), sites.layer(), builder);
      }
    }
  }

  private static void add(
      MethodConfig config, Junction junction, int layer, AdapterBuilder builder) {
    String at = junction.name() + ".adapters." + config.text("name") + ".";
    long hidden = builder.model().sizes().hidden();
    long inner = Math.max(1, (long) Math.floor(hidden / reduction(config, layer)));
    String init = config.text("init_weights");
    TrainedLinear down =
        linear(
            builder,
            at + "adapter_down.0",
            inner,
            hidden,
            init.equals("mam_adapter") ? "kaiming" : init);
    TrainedLinear up =
        linear(
            builder, at + "adapter_up", hidden, inner, init.equals("mam_adapter") ? "zero" : init);
    TrainedLinear gate =
        config.flag("use_gating") ? linear(builder, at + "gate", 1, hidden, "bert") : null;
    TrainedLinear norm =
        config.flag("ln_after")
            ? new TrainedLinear(
                builder.drawn(at + "adapter_norm_after.weight", () -> 1, hidden),
                builder.zeros(at + "adapter_norm_after.bias", hidden))
            : null;
    BottleneckAdapter adapter =
        new BottleneckAdapter(
            new BottleneckAdapter.Parts(down, up, gate, norm, scaling(config, at, hidden, builder)),
            config,
            layer);
    builder.adapt(junction, adapter);
  }

  private static double reduction(MethodConfig config, int layer) {
    JsonNode factor = config.get("reduction_factor");
    if (factor != null && factor.isObject()) {
      JsonNode own = factor.get(String.valueOf(layer));
      factor = own != null ? own : factor.get("default");
    }
    if (factor == null || !factor.isNumber() || factor.asDouble() <= 0) {
      throw ConfigReader.wrong(
          "reduction_factor", "a positive number, or one for each layer or by default", factor);
    }
    return factor.asDouble();
  }

  private static NDArray scaling(
      MethodConfig config, String at, long hidden, AdapterBuilder builder) {
    JsonNode scaling = config.get("scaling");
    if (scaling.isNumber()) {
      return builder.manager().create((float) scaling.asDouble());
    }
    return builder.drawn(at + "scaling", () -> 1, scaling.asText().equals("learned") ? 1 : hidden);
  }

  private static TrainedLinear linear(
      AdapterBuilder builder, String name, long out, long in, String init) {
    var random = builder.random(name);
    DoubleSupplier weights =
        switch (init) {
          case "kaiming" -> () -> (2 * random.nextDouble() - 1) / Math.sqrt(in);
          case "zero" -> () -> 0;
          case "houlsby" -> () -> 0.01 * truncated(random::nextGaussian);
          default -> () -> 0.02 * random.nextGaussian();
        };
    return new TrainedLinear(
        builder.drawn(name + ".weight", weights, out, in), builder.zeros(name + ".bias", out));
  }

  private static double truncated(DoubleSupplier gaussian) {
    double value;
    do {
      value = gaussian.getAsDouble();
    } while (Math.abs(value) > 2);
    return value;
  }
}
