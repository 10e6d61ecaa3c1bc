package io.peft4j.adapter.library;

import ai.djl.ndarray.NDArray;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.adapter.method.AdapterBuilder;
import io.peft4j.adapter.method.AdapterMethod;
import io.peft4j.adapter.method.ConfigReader;
import io.peft4j.adapter.method.MethodConfig;
import io.peft4j.adapter.prompt.TrainedLinear;
import io.peft4j.adapter.prompt.TrainedPrefix;
import io.peft4j.model.Model;
import io.peft4j.model.family.Architecture;
import io.peft4j.model.module.Activation;
import io.peft4j.model.module.Linear;
import io.peft4j.torch.Ops;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * Prefix tuning as the adapters library has it, with the gate that makes it a part of UniPELT (Mao
 * et al., 2022): {@code TrainedPrefix} by a network or, where {@code flat}, itself. Unlike in peft
 * the text's positions stay as they are.
 *
 * <p>On disk {@code BASE.prefix_tuning.prefix_tunings.NAME.self_prefix.wte.weight} and {@code
 * control_trans.0.weight}, {@code .2.weight} and biases, or {@code control_trans} [tokens · layers
 * · 2 · width], and {@code ATTENTION.prefix_tuning.prefix_gates.NAME.weight} and {@code .bias}. The
 * library reads that, and itself writes it as pickles only: it has each of these tensors under one
 * more name for every layer, which safetensors refuses.
 */
public final class GatedPrefixMethod extends LibraryMethod {

  private static final String CONFIG =
      """
      {"architecture": "prefix_tuning", "encoder_prefix": true, "cross_prefix": true,
       "leave_out": [], "flat": false, "prefix_length": 30, "bottleneck_size": 512,
       "non_linearity": "tanh", "dropout": 0.0, "use_gating": true, "shared_gating": true,
       "init_weights_seed": null}
      """;

  public GatedPrefixMethod() {
    super("GATED_PREFIX", CONFIG, AdapterMethod.CONFIG, "adapter.safetensors");
  }

  @Override
  public List<String> sizeKeys() {
    return List.of("prefix_length", "bottleneck_size");
  }

  @Override
  boolean recognizesConfig(ObjectNode config) {
    return config.path("architecture").asText().equals("prefix_tuning");
  }

  @Override
  boolean owns(String key) {
    return key.contains("prefix_tuning.");
  }

  @Override
  protected void check(MethodConfig config) {
    config.atLeast("prefix_length", 1);
    Activation.named(config.text("non_linearity"));
    for (String flag : List.of("flat", "use_gating", "shared_gating")) {
      config.flag(flag);
    }
    JsonNode left = config.get("leave_out");
    if (left != null && !left.isEmpty()) {
      throw ConfigReader.wrong("leave_out", "no layers, all that is supported", left);
    }
    if (config.number("dropout") != 0) {
      throw ConfigReader.wrong("dropout", "0, all that is supported", config.get("dropout"));
    }
  }

  @Override
  protected void build(MethodConfig config, AdapterBuilder builder) {
    Model model = builder.model();
    LibraryAttention attention = LibraryAttention.of(model);
    Architecture.Sizes sizes = model.sizes();
    int length = config.integer("prefix_length");
    long width = (long) sizes.keyHeads() * sizes.headDim();
    long out = model.sites().size() * 2 * width;
    String base =
        model.words().name().replaceFirst("(embeddings\\.word_embeddings|embed_tokens)$", "");
    String at =
        String.format(
            Locale.ROOT,
            "%sprefix_tuning.prefix_tunings.%s.%s.",
            base,
            config.text("name"),
            attention.prefix());
    NDArray trained;
    TrainedPrefix.Table table;
    if (config.flag("flat")) {
      var random = builder.random(at);
      NDArray flat = builder.drawn(at + "control_trans", random::nextGaussian, length * out);
      trained = flat;
      table = new Flat(flat, length, out);
    } else {
      long inner = config.atLeast("bottleneck_size", 1);
      Activation activation = Activation.named(config.text("non_linearity"));
      var random = builder.random(at + "wte");
      trained = builder.drawn(at + "wte.weight", random::nextGaussian, length, sizes.hidden());
      table =
          new TrainedPrefix.Projected(
              trained,
              TrainedLinear.of(builder, at + "control_trans.0", inner, sizes.hidden()),
              TrainedLinear.of(builder, at + "control_trans.2", out, inner),
              activation::apply);
    }
    List<TrainedLinear> gates =
        config.flag("use_gating") ? gates(config, attention, builder) : List.of();
    new TrainedPrefix(length, width, trained, table, gates).attach(builder);
  }

  /** A table that is trained itself, all in one row. */
  private record Flat(NDArray flat, int length, long width) implements TrainedPrefix.Table {
    @Override
    public NDArray columns(NDArray like, long from, long count) {
      return Ops.columns(like, Ops.borrowed(like, flat).reshape(length, width), from, count);
    }

    @Override
    public long kept() {
      return 0;
    }
  }

  private static List<TrainedLinear> gates(
      MethodConfig config, LibraryAttention attention, AdapterBuilder builder) {
    List<TrainedLinear> gates = new ArrayList<>();
    for (Linear query : attention.each(builder.model(), "q")) {
      String parent = query.name().substring(0, query.name().lastIndexOf('.'));
      gates.add(
          LibraryAttention.gate(
              builder,
              parent + ".prefix_tuning.prefix_gates." + config.text("name"),
              config.flag("shared_gating") ? 1 : 2,
              query.projection().in()));
    }
    return gates;
  }
}
