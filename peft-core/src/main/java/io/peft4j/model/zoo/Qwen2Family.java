package io.peft4j.model.zoo;

import io.peft4j.model.decoder.DecoderFamily;
import io.peft4j.model.decoder.DecoderNames;
import io.peft4j.model.decoder.DecoderSpec;
import io.peft4j.model.decoder.LayerTypes;
import io.peft4j.model.decoder.Rope;
import io.peft4j.model.family.GgufNames;
import io.peft4j.model.load.ModelConfig;
import java.util.List;

/** Qwen2 (Yang et al., 2024): a Llama with biases before attention. */
public final class Qwen2Family implements DecoderFamily {

  private static final DecoderNames NAMES = DecoderNames.builder().build();

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
  public DecoderNames names() {
    return NAMES;
  }

  @Override
  public DecoderSpec spec(ModelConfig config) {
    DecoderSpec.Builder spec = DecoderSpec.asLlama(config, NAMES);
    if (config.flag("use_sliding_window", false) && !config.absent("sliding_window")) {
      spec.window(
          config.size("sliding_window"),
          LayerTypes.sliding(config, layer -> layer >= config.integer("max_window_layers", 28)));
    }
    return spec.attentionBias(true, false)
        .activation(config.activation("hidden_act", "silu"))
        .rope(Rope.read(config, spec.headDim()))
        .build();
  }

  @Override
  public List<String> defaultTargets(String peftType) {
    return switch (peftType) {
      case "IA3" -> List.of("q_proj", "v_proj", "down_proj");
      case "LN_TUNING" -> List.of("post_attention_layernorm");
      default -> List.of("q_proj", "v_proj");
    };
  }

  @Override
  public GgufNames gguf() {
    return GgufNames.asLlama("qwen2");
  }

  @Override
  public String tokenizerClass() {
    return "Qwen2Tokenizer";
  }

  @Override
  public boolean tokenizerOftenMisnamed() {
    return true;
  }
}
