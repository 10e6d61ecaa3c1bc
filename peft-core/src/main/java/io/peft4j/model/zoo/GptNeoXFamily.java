package io.peft4j.model.zoo;

import io.peft4j.model.decoder.DecoderFamily;
import io.peft4j.model.decoder.DecoderNames;
import io.peft4j.model.decoder.DecoderSpec;
import io.peft4j.model.decoder.DecoderSpecBuilder;
import io.peft4j.model.decoder.Rope;
import io.peft4j.model.load.ModelConfig;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** GPT-NeoX (Black et al., 2022): attention and feed-forward side by side. */
public final class GptNeoXFamily implements DecoderFamily {

  private static final DecoderNames NAMES =
      DecoderNames.builder()
          .base("gpt_neox")
          .embedding("embed_in")
          .projections("attention.query_key_value")
          .attentionOutput("attention.dense")
          .up("mlp.dense_h_to_4h")
          .down("mlp.dense_4h_to_h")
          .finalNorm("final_layer_norm")
          .build();

  @Override
  public String modelType() {
    return "gpt_neox";
  }

  @Override
  public String defaults() {
    return """
    {"vocab_size": 50432, "hidden_size": 6144, "num_hidden_layers": 44,
     "num_attention_heads": 64, "intermediate_size": 24576, "hidden_act": "gelu",
     "attention_dropout": 0.0, "hidden_dropout": 0.0, "max_position_embeddings": 2048,
     "initializer_range": 0.02, "layer_norm_eps": 1e-5, "use_parallel_residual": true,
     "attention_bias": true}
    """;
  }

  @Override
  public DecoderNames names() {
    return NAMES;
  }

  @Override
  public DecoderSpec spec(ModelConfig config) {
    boolean bias = config.flag("attention_bias", true);
    double dropout = config.probability("hidden_dropout", 0);
    DecoderSpecBuilder spec =
        DecoderSpec.builder(config, NAMES)
            .layers(config.layers("num_hidden_layers"))
            .hidden(config.size("hidden_size"))
            .heads(config.size("num_attention_heads"))
            .headByHead();
    return spec.attentionBias(bias, bias)
        .attentionDropout(config.probability("attention_dropout", 0))
        .rope(
            Rope.readPartial(
                config,
                spec.headDim(),
                config.number("rotary_pct", 0.25),
                config.number("rotary_emb_base", Rope.THETA)))
        .parallel(config.flag("use_parallel_residual", true))
        .intermediate(config.size("intermediate_size"))
        .activation(config.activation("hidden_act", "gelu"))
        .feedForwardBias(true)
        .vocabulary(config.size("vocab_size"))
        .maxPositions(config.size("max_position_embeddings"))
        .layerNorm(config.number("layer_norm_eps", 1e-5))
        .dropout(dropout, dropout)
        .build();
  }

  @Override
  public Set<String> heads() {
    return Set.of("lm_head", "embed_out", "score", "classifier", "qa_outputs");
  }

  /** transformers has renamed the module. */
  @Override
  public Map<String, String> renamed() {
    return Map.of("lm_head.weight", "embed_out.weight");
  }

  @Override
  public List<String> defaultTargets(String peftType) {
    return switch (peftType) {
      case "IA3" -> List.of("query_key_value", "dense_4h_to_h");
      case "LN_TUNING" -> List.of("input_layernorm", "post_attention_layernorm");
      default -> List.of("query_key_value");
    };
  }

  @Override
  public String tokenizerClass() {
    return "GPTNeoXTokenizer";
  }
}
