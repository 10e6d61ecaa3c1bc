package io.peft4j.model.zoo;

import io.peft4j.model.decoder.DecoderFamily;
import io.peft4j.model.decoder.DecoderNames;
import io.peft4j.model.decoder.DecoderSpec;
import io.peft4j.model.decoder.DecoderSpecBuilder;
import io.peft4j.model.decoder.Rope;
import io.peft4j.model.family.AttentionNames;
import io.peft4j.model.family.GgufNames;
import io.peft4j.model.load.ModelConfig;
import java.util.List;

/** Llama (Touvron et al., 2023). */
public final class LlamaFamily implements DecoderFamily {

  private static final DecoderNames NAMES = DecoderNames.builder().build();

  @Override
  public String modelType() {
    return "llama";
  }

  @Override
  public String defaults() {
    return """
    {"vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 11008,
     "num_hidden_layers": 32, "num_attention_heads": 32, "hidden_act": "silu",
     "max_position_embeddings": 2048, "initializer_range": 0.02, "rms_norm_eps": 1e-6,
     "attention_bias": false, "attention_dropout": 0.0, "mlp_bias": false}
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
        .feedForwardBias(config.flag("mlp_bias", false))
        .activation(config.activation("hidden_act", "silu"))
        .rope(Rope.read(config, spec.headDim()))
        .build();
  }

  @Override
  public List<String> defaultTargets(String peftType) {
    return switch (peftType) {
      case "IA3" -> List.of("k_proj", "v_proj", "down_proj");
      case "LN_TUNING" -> List.of("input_layernorm", "post_attention_layernorm", "norm");
      default -> List.of("q_proj", "v_proj");
    };
  }

  @Override
  public AttentionNames attention() {
    return AttentionNames.of("self_prefix", "q_proj", "k_proj", "v_proj");
  }

  @Override
  public GgufNames gguf() {
    return GgufNames.asLlama("llama").permuting("self_attn.q_proj", "self_attn.k_proj");
  }
}
