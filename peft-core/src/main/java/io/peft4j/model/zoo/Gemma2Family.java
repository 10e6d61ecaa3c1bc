package io.peft4j.model.zoo;

import io.peft4j.model.decoder.DecoderFamily;
import io.peft4j.model.decoder.DecoderNames;
import io.peft4j.model.decoder.DecoderSpec;
import io.peft4j.model.decoder.DecoderSpecBuilder;
import io.peft4j.model.decoder.LayerTypes;
import io.peft4j.model.decoder.Rope;
import io.peft4j.model.family.GgufNames;
import io.peft4j.model.load.ModelConfig;
import java.util.List;

/**
 * Gemma 2 (Riviere et al., 2024): norms on both sides of each half layer, caps, windows in every
 * other layer.
 */
public final class Gemma2Family implements DecoderFamily {

  private static final DecoderNames NAMES =
      DecoderNames.builder()
          .afterAttention("post_attention_layernorm")
          .beforeFeedForward("pre_feedforward_layernorm")
          .afterFeedForward("post_feedforward_layernorm")
          .build();

  @Override
  public String modelType() {
    return "gemma2";
  }

  @Override
  public String defaults() {
    return """
    {"vocab_size": 256000, "hidden_size": 2304, "intermediate_size": 9216,
     "num_hidden_layers": 26, "num_attention_heads": 8, "num_key_value_heads": 4,
     "head_dim": 256, "hidden_activation": "gelu_pytorch_tanh",
     "max_position_embeddings": 8192, "initializer_range": 0.02, "rms_norm_eps": 1e-6,
     "pad_token_id": 0, "tie_word_embeddings": true, "attention_bias": false,
     "attention_dropout": 0.0, "query_pre_attn_scalar": 256, "sliding_window": 4096,
     "final_logit_softcapping": 30.0, "attn_logit_softcapping": 50.0}
    """;
  }

  @Override
  public DecoderNames names() {
    return NAMES;
  }

  @Override
  public DecoderSpec spec(ModelConfig config) {
    config.refuse("use_bidirectional_attention");
    boolean bias = config.flag("attention_bias", false);
    double scale = 1 / Math.sqrt(config.positive("query_pre_attn_scalar", 256));
    DecoderSpecBuilder spec = DecoderSpec.asLlama(config, NAMES, config.size("head_dim"));
    if (!config.absent("sliding_window")) {
      spec.window(
          config.size("sliding_window"), LayerTypes.sliding(config, layer -> layer % 2 == 0));
    }
    return spec.rmsNormFromOne(config.number("rms_norm_eps", 1e-6))
        .attentionBias(bias, bias)
        .attentionScale(layer -> scale)
        .attentionCap(config.number("attn_logit_softcapping", 0))
        .activation(config.activation("hidden_activation", "gelu_pytorch_tanh"))
        .rope(Rope.read(config, spec.headDim()))
        .embeddingScale(Math.sqrt(config.size("hidden_size")))
        .logitCap(config.number("final_logit_softcapping", 0))
        .build();
  }

  @Override
  public List<String> defaultTargets(String peftType) {
    return switch (peftType) {
      case "IA3" -> List.of("q_proj", "v_proj", "down_proj");
      case "LN_TUNING" ->
          List.of(
              "input_layernorm",
              "post_attention_layernorm",
              "pre_feedforward_layernorm",
              "post_feedforward_layernorm",
              "norm");
      default -> List.of("q_proj", "v_proj");
    };
  }

  @Override
  public GgufNames gguf() {
    return GgufNames.asLlama("gemma2");
  }

  @Override
  public String tokenizerClass() {
    return "GemmaTokenizer";
  }
}
