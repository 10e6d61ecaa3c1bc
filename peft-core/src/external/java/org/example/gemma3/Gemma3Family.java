package org.example.gemma3;

import io.peft4j.model.decoder.DecoderFamily;
import io.peft4j.model.decoder.DecoderNames;
import io.peft4j.model.decoder.DecoderSpec;
import io.peft4j.model.decoder.DecoderSpecBuilder;
import io.peft4j.model.decoder.LayerTypes;
import io.peft4j.model.decoder.Rope;
import io.peft4j.model.load.ModelConfig;
import java.util.List;
import java.util.function.IntPredicate;

/**
 * Gemma 3's language model (Kamath et al., 2025): norms on both sides of each half layer and of
 * each query and key head, and rotary positions of two bases, one for the layers that slide.
 */
public final class Gemma3Family implements DecoderFamily {

  private static final DecoderNames NAMES =
      DecoderNames.builder()
          .afterAttention("post_attention_layernorm")
          .beforeFeedForward("pre_feedforward_layernorm")
          .afterFeedForward("post_feedforward_layernorm")
          .build();

  @Override
  public String modelType() {
    return "gemma3_text";
  }

  @Override
  public String defaults() {
    return """
    {"vocab_size": 262208, "hidden_size": 2304, "intermediate_size": 9216,
     "num_hidden_layers": 26, "num_attention_heads": 8, "num_key_value_heads": 4,
     "head_dim": 256, "hidden_activation": "gelu_pytorch_tanh",
     "max_position_embeddings": 131072, "initializer_range": 0.02, "rms_norm_eps": 1e-6,
     "pad_token_id": 0, "tie_word_embeddings": true, "attention_bias": false,
     "attention_dropout": 0.0, "query_pre_attn_scalar": 256, "sliding_window": 4096}
    """;
  }

  @Override
  public DecoderNames names() {
    return NAMES;
  }

  @Override
  public DecoderSpec spec(ModelConfig config) {
    config.refuse(
        "use_bidirectional_attention", "attn_logit_softcapping", "final_logit_softcapping");
    boolean bias = config.flag("attention_bias", false);
    double scale = 1 / Math.sqrt(config.positive("query_pre_attn_scalar", 256));
    IntPredicate slides = LayerTypes.sliding(config, layer -> (layer + 1) % 6 != 0);
    DecoderSpecBuilder spec = DecoderSpec.asLlama(config, NAMES, config.size("head_dim"));
    Rope near = Rope.readKind(config, spec.headDim(), "sliding_attention");
    Rope far = Rope.readKind(config, spec.headDim(), "full_attention");
    return spec.rmsNormFromOne(config.number("rms_norm_eps", 1e-6))
        .attentionBias(bias, bias)
        .attentionScale(layer -> scale)
        .headNorm()
        .window(config.size("sliding_window"), slides)
        .rope(layer -> slides.test(layer) ? near : far)
        .activation(config.activation("hidden_activation", "gelu_pytorch_tanh"))
        .embeddingScale(Math.sqrt(config.size("hidden_size")))
        .build();
  }

  @Override
  public List<String> defaultTargets(String peftType) {
    return List.of("q_proj", "v_proj");
  }
}
