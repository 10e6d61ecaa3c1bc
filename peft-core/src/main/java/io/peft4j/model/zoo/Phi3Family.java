package io.peft4j.model.zoo;

import io.peft4j.model.decoder.DecoderFamily;
import io.peft4j.model.decoder.DecoderNames;
import io.peft4j.model.decoder.DecoderSpec;
import io.peft4j.model.decoder.DecoderSpecBuilder;
import io.peft4j.model.decoder.Rope;
import io.peft4j.model.family.GgufNames;
import io.peft4j.model.load.ModelConfig;
import java.util.Map;

/**
 * Phi-3 (Abdin et al., 2024): a Llama with joined projections. peft has no default targets for it.
 */
public final class Phi3Family implements DecoderFamily {

  private static final DecoderNames NAMES =
      DecoderNames.builder().projections("self_attn.qkv_proj").up("mlp.gate_up_proj").build();

  @Override
  public String modelType() {
    return "phi3";
  }

  @Override
  public String defaults() {
    return """
    {"vocab_size": 32064, "hidden_size": 3072, "intermediate_size": 8192,
     "num_hidden_layers": 32, "num_attention_heads": 32, "resid_pdrop": 0.0,
     "attention_dropout": 0.0, "hidden_act": "silu", "max_position_embeddings": 4096,
     "initializer_range": 0.02, "rms_norm_eps": 1e-5, "pad_token_id": 32000}
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
    return spec.rmsNorm(config.number("rms_norm_eps", 1e-5))
        .activation(config.activation("hidden_act", "silu"))
        .rope(Rope.readPartial(config, spec.headDim(), 1, Rope.THETA))
        .dropout(0, config.probability("resid_pdrop", 0))
        .build();
  }

  @Override
  public GgufNames gguf() {
    return GgufNames.of(
        "phi3",
        "model.layers",
        Map.of(
            "self_attn.qkv_proj", "attn_qkv",
            "self_attn.o_proj", "attn_output",
            "mlp.gate_up_proj", "ffn_up",
            "mlp.down_proj", "ffn_down"),
        Map.of("lm_head", "output", "model.embed_tokens", "token_embd"));
  }

  @Override
  public String tokenizerClass() {
    return "TokenizersBackend";
  }

  @Override
  public boolean tokenizerOftenMisnamed() {
    return true;
  }
}
