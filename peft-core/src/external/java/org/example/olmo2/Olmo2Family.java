package org.example.olmo2;

import io.peft4j.model.decoder.DecoderFamily;
import io.peft4j.model.decoder.DecoderNames;
import io.peft4j.model.decoder.DecoderSpec;
import io.peft4j.model.decoder.DecoderSpecBuilder;
import io.peft4j.model.decoder.Rope;
import io.peft4j.model.load.ModelConfig;
import java.util.List;

/**
 * OLMo 2 (Walsh et al., 2024): a Llama with norms after each half layer rather than before, and of
 * queries and keys as a whole. peft has no default targets for it; these are Llama's.
 */
public final class Olmo2Family implements DecoderFamily {

  private static final DecoderNames NAMES =
      DecoderNames.builder()
          .beforeAttention(null)
          .afterAttention("post_attention_layernorm")
          .beforeFeedForward(null)
          .afterFeedForward("post_feedforward_layernorm")
          .build();

  @Override
  public String modelType() {
    return "olmo2";
  }

  @Override
  public String defaults() {
    return """
    {"vocab_size": 50304, "hidden_size": 4096, "intermediate_size": 11008,
     "num_hidden_layers": 32, "num_attention_heads": 32, "hidden_act": "silu",
     "max_position_embeddings": 2048, "initializer_range": 0.02, "pad_token_id": 1,
     "rms_norm_eps": 1e-5, "attention_bias": false, "attention_dropout": 0.0}
    """;
  }

  @Override
  public DecoderNames names() {
    return NAMES;
  }

  @Override
  public DecoderSpec spec(ModelConfig config) {
    boolean bias = config.flag("attention_bias", false);
    DecoderSpecBuilder spec = DecoderSpec.asLlama(config, NAMES);
    return spec.attentionBias(bias, bias)
        .wholeNorm()
        .activation(config.activation("hidden_act", "silu"))
        .rope(Rope.read(config, spec.headDim()))
        .build();
  }

  @Override
  public List<String> defaultTargets(String peftType) {
    return switch (peftType) {
      case "IA3" -> List.of("k_proj", "v_proj", "down_proj");
      case "LN_TUNING" -> List.of("post_attention_layernorm", "post_feedforward_layernorm", "norm");
      default -> List.of("q_proj", "v_proj");
    };
  }
}
