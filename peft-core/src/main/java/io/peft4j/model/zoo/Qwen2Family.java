package io.peft4j.model.zoo;

import io.peft4j.model.decoder.DecoderSpec;
import io.peft4j.model.decoder.DecoderSpecBuilder;
import io.peft4j.model.decoder.Rope;
import io.peft4j.model.load.ModelConfig;

/** Qwen2 (Yang et al., 2024): a Llama with biases before attention. */
public final class Qwen2Family extends QwenFamily {

  @Override
  public String modelType() {
    return "qwen2";
  }

  @Override
  public String defaults() {
    return """
    {"vocab_size": 151936, "hidden_size": 4096, "intermediate_size": 22016,
     "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 32,
     "hidden_act": "silu", "max_position_embeddings": 32768, "initializer_range": 0.02,
     "rms_norm_eps": 1e-6, "use_sliding_window": false, "sliding_window": 4096,
     "max_window_layers": 28, "attention_dropout": 0.0}
    """;
  }

  @Override
  public DecoderSpec spec(ModelConfig config) {
    DecoderSpecBuilder spec = DecoderSpec.asLlama(config, NAMES);
    slide(spec, config);
    return spec.attentionBias(true, false)
        .activation(config.activation("hidden_act", "silu"))
        .rope(Rope.read(config, spec.headDim()))
        .build();
  }

  @Override
  public boolean tokenizerOftenMisnamed() {
    return true;
  }
}
