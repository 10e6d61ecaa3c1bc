package io.peft4j.model.zoo;

import io.peft4j.model.decoder.DecoderFamily;
import io.peft4j.model.decoder.DecoderNames;
import io.peft4j.model.decoder.DecoderSpec;
import io.peft4j.model.decoder.DecoderSpecBuilder;
import io.peft4j.model.family.GgufNames;
import io.peft4j.model.load.ModelConfig;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** GPT-2 (Radford et al., 2019). */
public final class Gpt2Family implements DecoderFamily {

  private static final DecoderNames NAMES =
      DecoderNames.builder()
          .base("transformer")
          .embedding("wte")
          .positions("wpe")
          .layer("h.%d")
          .beforeAttention("ln_1")
          .projections("attn.c_attn")
          .attentionOutput("attn.c_proj")
          .beforeFeedForward("ln_2")
          .up("mlp.c_fc")
          .down("mlp.c_proj")
          .finalNorm("ln_f")
          .build();

  @Override
  public String modelType() {
    return "gpt2";
  }

  @Override
  public String defaults() {
    return """
    {"vocab_size": 50257, "n_positions": 1024, "n_embd": 768, "n_layer": 12,
     "n_head": 12, "activation_function": "gelu_new", "resid_pdrop": 0.1,
     "embd_pdrop": 0.1, "attn_pdrop": 0.1, "layer_norm_epsilon": 1e-5,
     "initializer_range": 0.02, "scale_attn_weights": true,
     "scale_attn_by_inverse_layer_idx": false, "tie_word_embeddings": true}
    """;
  }

  @Override
  public Map<String, String> aliases() {
    return Map.of(
        "n_embd", "hidden_size",
        "n_positions", "max_position_embeddings",
        "n_head", "num_attention_heads",
        "n_layer", "num_hidden_layers");
  }

  @Override
  public String layersKey() {
    return "n_layer";
  }

  @Override
  public DecoderNames names() {
    return NAMES;
  }

  @Override
  public DecoderSpec spec(ModelConfig config) {
    int hidden = config.size("n_embd");
    boolean scaled = config.flag("scale_attn_weights", true);
    boolean byLayer = config.flag("scale_attn_by_inverse_layer_idx", false);
    DecoderSpecBuilder spec =
        DecoderSpec.builder(config, NAMES)
            .layers(config.layers("n_layer"))
            .hidden(hidden)
            .heads(config.size("n_head"));
    double scale = scaled ? 1 / Math.sqrt(spec.headDim()) : 1;
    return spec.attentionScale(layer -> scale / (byLayer ? layer + 1 : 1))
        .attentionBias(true, true)
        .attentionDropout(config.probability("attn_pdrop", 0.1))
        .intermediate(config.size("n_inner", 4 * hidden))
        .activation(config.activation("activation_function", "gelu_new"))
        .feedForwardBias(true)
        .vocabulary(config.size("vocab_size"))
        .maxPositions(config.size("n_positions"))
        .layerNorm(config.number("layer_norm_epsilon", 1e-5))
        .turned()
        .dropout(config.probability("embd_pdrop", 0.1), config.probability("resid_pdrop", 0.1))
        .build();
  }

  /** {@code Conv1D}. */
  @Override
  public Set<String> turned() {
    return Set.of("c_attn", "c_proj", "c_fc", "q_attn");
  }

  @Override
  public List<String> defaultTargets(String peftType) {
    return switch (peftType) {
      case "IA3" -> List.of("c_attn", "mlp.c_proj");
      case "LN_TUNING" -> List.of("ln_1", "ln_2", "ln_f");
      default -> List.of("c_attn");
    };
  }

  @Override
  public GgufNames gguf() {
    return GgufNames.of(
        "gpt2",
        "transformer.h",
        Map.of(
            "attn.c_attn", "attn_qkv",
            "attn.c_proj", "attn_output",
            "mlp.c_fc", "ffn_up",
            "mlp.c_proj", "ffn_down"),
        Map.of("lm_head", "output", "transformer.wte", "token_embd"));
  }

  @Override
  public String tokenizerClass() {
    return "GPT2Tokenizer";
  }
}
