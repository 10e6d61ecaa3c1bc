package io.peft4j.adapter.prompt;

import ai.djl.ndarray.NDArray;
import io.peft4j.adapter.method.AdapterBuilder;
import io.peft4j.adapter.method.MethodConfig;
import io.peft4j.model.Model;
import io.peft4j.model.module.Pass;
import io.peft4j.torch.Ops;
import java.util.ArrayList;
import java.util.List;

/**
 * P-tuning (Liu et al., 2021): prompt tuning whose vectors a small network makes of others: three
 * linear layers, or a bidirectional LSTM under two. The network is for training only.
 *
 * <p>On disk {@code prompt_embeddings} [tokens, hidden], what the network gives.
 */
public final class PTuningMethod extends PromptMethod {

  private static final String AT = "prompt_encoder.";

  public PTuningMethod() {
    super(
        "P_TUNING",
        """
        "encoder_reparameterization_type": "MLP", "encoder_hidden_size": null,
         "encoder_num_layers": 2, "encoder_dropout": 0.0""");
  }

  @Override
  public List<String> sizeKeys() {
    return List.of("num_virtual_tokens", "encoder_hidden_size", "encoder_num_layers");
  }

  @Override
  protected void check(MethodConfig config) {
    super.check(config);
    config.atLeast("encoder_num_layers", 1);
    config.probability("encoder_dropout");
    String type = config.text("encoder_reparameterization_type");
    if (type == null || !type.matches("MLP|LSTM")) {
      throw new IllegalArgumentException(
          "'encoder_reparameterization_type': expected MLP or LSTM, found " + type);
    }
  }

  @Override
  protected MethodConfig complete(MethodConfig config, Model model) {
    MethodConfig settled = sized(config, model, model.sizes().hidden(), model.sizes().heads());
    return settled.get("encoder_hidden_size") != null
        ? settled
        : settled.with("encoder_hidden_size", model.sizes().hidden());
  }

  @Override
  protected void build(MethodConfig config, AdapterBuilder builder) {
    int length = config.integer("num_virtual_tokens");
    long dim = builder.model().sizes().hidden();
    if (builder.forInference(config)) {
      NDArray prompt = builder.zeros(VirtualPrompt.KEY, length, dim);
      VirtualPrompt.add(builder, length, prompt, (like, pass) -> prompt, 0);
      return;
    }
    var random = builder.random(AT);
    NDArray start = builder.drawn(AT + "embedding.weight", random::nextGaussian, length, dim);
    long hidden = config.atLeast("encoder_hidden_size", 1);
    boolean lstm = config.text("encoder_reparameterization_type").equals("LSTM");
    VirtualPrompt.Rows rows =
        lstm
            ? recurrent(config, builder, start, dim, hidden)
            : layered(builder, start, dim, hidden);
    // Two activations; of each direction of a recurrent layer gates, cells and states, and around.
    long kept =
        lstm
            ? length * hidden * (4 + 26L * config.integer("encoder_num_layers"))
            : 2 * length * hidden;
    VirtualPrompt.add(builder, length, start, rows, kept);
    VirtualPrompt.exportRows(builder, rows);
  }

  private static VirtualPrompt.Rows layered(
      AdapterBuilder builder, NDArray start, long dim, long hidden) {
    TrainedLinear first = TrainedLinear.of(builder, AT + "mlp_head.0", hidden, dim);
    TrainedLinear second = TrainedLinear.of(builder, AT + "mlp_head.2", hidden, hidden);
    TrainedLinear third = TrainedLinear.of(builder, AT + "mlp_head.4", dim, hidden);
    return (like, pass) -> {
      NDArray x = Ops.relu(first.forward(Ops.borrowed(like, start)));
      return third.forward(Ops.relu(second.forward(x)));
    };
  }

  private static VirtualPrompt.Rows recurrent(
      MethodConfig config, AdapterBuilder builder, NDArray start, long dim, long hidden) {
    List<NDArray[]> layers = new ArrayList<>();
    for (int i = 0; i < config.integer("encoder_num_layers"); i++) {
      layers.add(lstm(builder, AT + "lstm_head.", "_l" + i, i == 0 ? dim : 2 * hidden, hidden));
    }
    TrainedLinear first = TrainedLinear.of(builder, AT + "mlp_head.0", 2 * hidden, 2 * hidden);
    TrainedLinear second = TrainedLinear.of(builder, AT + "mlp_head.2", dim, 2 * hidden);
    double dropout = config.number("encoder_dropout");
    return (like, pass) -> {
      NDArray x = Ops.borrowed(like, start);
      for (int i = 0; i < layers.size(); i++) {
        x = PromptOps.lstm(i == 0 ? x : dropped(x, dropout, pass), layers.get(i));
      }
      return second.forward(Ops.relu(first.forward(x)));
    };
  }

  private static NDArray dropped(NDArray x, double dropout, Pass pass) {
    return pass == null ? x : pass.dropout(x, dropout);
  }

  /** Weights and biases of both directions, as torch has them: [4 · hidden, ..]. */
  private static NDArray[] lstm(
      AdapterBuilder builder, String at, String layer, long in, long hidden) {
    List<NDArray> tensors = new ArrayList<>();
    double bound = 1 / Math.sqrt(hidden);
    for (String direction : List.of("", "_reverse")) {
      for (String part : List.of("weight_ih", "weight_hh", "bias_ih", "bias_hh")) {
        String key = at + part + layer + direction;
        var random = builder.random(key);
        long[] shape =
            part.startsWith("bias")
                ? new long[] {4 * hidden}
                : new long[] {4 * hidden, part.endsWith("ih") ? in : hidden};
        tensors.add(builder.drawn(key, () -> (2 * random.nextDouble() - 1) * bound, shape));
      }
    }
    return tensors.toArray(NDArray[]::new);
  }
}
