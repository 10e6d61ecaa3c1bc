package io.peft4j.model.zoo;

import io.peft4j.model.decoder.DecoderFamily;
import io.peft4j.model.decoder.DecoderNames;
import io.peft4j.model.decoder.DecoderSpec;
import io.peft4j.model.decoder.DecoderSpecBuilder;
import io.peft4j.model.decoder.Rope;
import io.peft4j.model.family.GgufNames;
import io.peft4j.model.load.ModelConfig;
import java.util.List;

/** Mistral (Jiang et al., 2023): a Llama that sees a window of what is before. */
public final class MistralFamily implements DecoderFamily {

  private static final DecoderNames NAMES = DecoderNames.builder().build();

  @Override
  public String modelType() {
    return "mistral";
  }

  @Override
  public String defaults() {
    return """
    {"vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 14336,
     "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8,
     "hidden_act": "silu", "max_position_embeddings": 131072, "initializer_range": 0.02,
     "rms_norm_eps": 1e-6, "sliding_window": 4096, "attention_dropout": 0.0}
    """;
  }

  @Override
  public DecoderNames names() {
    return NAMES;
  }

  @Override
  public DecoderSpec spec(ModelConfig config) {
    DecoderSpecBuilder spec = DecoderSpec.asLlama(config, NAMES);
    if (!config.absent("sliding_window")) {
      spec.window(config.size("sliding_window"));
    }
    return spec.activation(config.activation("hidden_act", "silu"))
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
  public GgufNames gguf() {
    return GgufNames.asLlama("llama").permuting("self_attn.q_proj", "self_attn.k_proj");
  }

  @Override
  public String tokenizerClass() {
    return "TokenizersBackend";
  }
}
