package io.peft4j.adapter.prompt;

import ai.djl.ndarray.NDArray;
import io.peft4j.adapter.method.AdapterBuilder;
import io.peft4j.adapter.method.MethodConfig;
import io.peft4j.model.Model;
import io.peft4j.model.family.Architecture;
import java.util.List;

/**
 * Prefix tuning (Li and Liang, 2021): trained keys and values in each layer before those of the
 * text, themselves or made by a network of two layers that is for training only.
 *
 * <p>All examples see the same ones, so that a packed row needs them once.
 *
 * <p>On disk {@code prompt_embeddings} [tokens, layers · 2 · width]: of each layer the keys, then
 * the values.
 */
public final class PrefixTuningMethod extends PromptMethod {

  private static final String AT = "prompt_encoder.";

  public PrefixTuningMethod() {
    super(
        "PREFIX_TUNING",
        """
        "encoder_hidden_size": null, "prefix_projection": false, "init_weights": null""");
  }

  @Override
  public List<String> sizeKeys() {
    return List.of("num_virtual_tokens", "encoder_hidden_size");
  }

  @Override
  protected void check(MethodConfig config) {
    super.check(config);
    String init = config.text("init_weights");
    if (init != null && !init.equals("zero")) {
      throw new IllegalArgumentException("'init_weights': expected null or zero, found " + init);
    }
  }

  @Override
  protected MethodConfig complete(MethodConfig config, Model model) {
    Architecture.Sizes sizes = model.sizes();
    MethodConfig settled =
        sized(config, model, sizes.keyHeads() * sizes.headDim(), sizes.keyHeads());
    return settled.get("encoder_hidden_size") != null || !settled.flag("prefix_projection")
        ? settled
        : settled.with("encoder_hidden_size", sizes.hidden());
  }

  @Override
  protected void build(MethodConfig config, AdapterBuilder builder) {
    Model model = builder.model();
    int length = config.integer("num_virtual_tokens");
    int layers = config.integer("num_layers");
    long width = config.integer("token_dim");
    boolean zero = "zero".equals(config.text("init_weights"));
    TrainedPrefix prefix;
    if (config.flag("prefix_projection") && !builder.forInference(config)) {
      long hidden = config.atLeast("encoder_hidden_size", 1);
      var random = builder.random(AT);
      NDArray start = builder.drawn(AT + "embedding.weight", random::nextGaussian, length, width);
      TrainedLinear first = TrainedLinear.of(builder, AT + "transform.0", hidden, width);
      long out = 2L * layers * width;
      TrainedLinear second =
          zero
              ? new TrainedLinear(
                  builder.zeros(AT + "transform.2.weight", out, hidden),
                  builder.zeros(AT + "transform.2.bias", out))
              : TrainedLinear.of(builder, AT + "transform.2", out, hidden);
      TrainedPrefix.Table table = new TrainedPrefix.Projected(start, first, second, NDArray::tanh);
      VirtualPrompt.exportRows(builder, (like, pass) -> table.columns(like, 0, out));
      prefix = new TrainedPrefix(length, width, start, table, List.of());
    } else {
      var random = builder.random(VirtualPrompt.KEY);
      NDArray table =
          builder.drawn(
              VirtualPrompt.KEY,
              () -> zero ? 0 : random.nextGaussian(),
              length,
              2L * layers * width);
      prefix = new TrainedPrefix(length, width, table, new TrainedPrefix.Whole(table), List.of());
    }
    VirtualPrompt.checkRoom(model, length); // after the tensors, which name the file at fault
    builder.attach(
        model.words().name(),
        () -> model.virtualTokens().addPositions(prefix, length),
        () -> model.virtualTokens().remove(prefix));
    prefix.attach(builder);
  }
}
