package io.peft4j.model.load;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;

/**
 * What transformers' config classes have where a {@code config.json} says nothing, of the keys that
 * are read. A key that is there with null is not one that is missing.
 */
final class FamilyDefaults {

  private static final JsonNode VALUES =
      parse(
          """
          {"bert": {
            "vocab_size": 30522, "hidden_size": 768, "num_hidden_layers": 12,
            "num_attention_heads": 12, "intermediate_size": 3072, "hidden_act": "gelu",
            "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1,
            "max_position_embeddings": 512, "type_vocab_size": 2, "initializer_range": 0.02,
            "layer_norm_eps": 1e-12, "pad_token_id": 0},
          "roberta": {
            "vocab_size": 50265, "hidden_size": 768, "num_hidden_layers": 12,
            "num_attention_heads": 12, "intermediate_size": 3072, "hidden_act": "gelu",
            "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1,
            "max_position_embeddings": 512, "type_vocab_size": 2, "initializer_range": 0.02,
            "layer_norm_eps": 1e-12, "pad_token_id": 1},
          "distilbert": {
            "vocab_size": 30522, "dim": 768, "n_layers": 6, "n_heads": 12, "hidden_dim": 3072,
            "activation": "gelu", "dropout": 0.1, "attention_dropout": 0.1,
            "max_position_embeddings": 512, "initializer_range": 0.02,
            "seq_classif_dropout": 0.2, "pad_token_id": 0},
          "llama": {
            "vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 11008,
            "num_hidden_layers": 32, "num_attention_heads": 32, "hidden_act": "silu",
            "max_position_embeddings": 2048, "initializer_range": 0.02, "rms_norm_eps": 1e-6,
            "attention_bias": false, "attention_dropout": 0.0, "mlp_bias": false},
          "mistral": {
            "vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 14336,
            "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8,
            "hidden_act": "silu", "max_position_embeddings": 131072, "initializer_range": 0.02,
            "rms_norm_eps": 1e-6, "sliding_window": 4096, "attention_dropout": 0.0},
          "qwen2": {
            "vocab_size": 151936, "hidden_size": 4096, "intermediate_size": 22016,
            "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 32,
            "hidden_act": "silu", "max_position_embeddings": 32768, "initializer_range": 0.02,
            "rms_norm_eps": 1e-6, "use_sliding_window": false, "sliding_window": 4096,
            "max_window_layers": 28, "attention_dropout": 0.0},
          "qwen3": {
            "vocab_size": 151936, "hidden_size": 4096, "intermediate_size": 22016,
            "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 32,
            "head_dim": 128, "hidden_act": "silu", "max_position_embeddings": 32768,
            "initializer_range": 0.02, "rms_norm_eps": 1e-6, "attention_bias": false,
            "use_sliding_window": false, "sliding_window": 4096, "max_window_layers": 28,
            "attention_dropout": 0.0},
          "gemma2": {
            "vocab_size": 256000, "hidden_size": 2304, "intermediate_size": 9216,
            "num_hidden_layers": 26, "num_attention_heads": 8, "num_key_value_heads": 4,
            "head_dim": 256, "hidden_activation": "gelu_pytorch_tanh",
            "max_position_embeddings": 8192, "initializer_range": 0.02, "rms_norm_eps": 1e-6,
            "pad_token_id": 0, "tie_word_embeddings": true, "attention_bias": false,
            "attention_dropout": 0.0, "query_pre_attn_scalar": 256, "sliding_window": 4096,
            "final_logit_softcapping": 30.0, "attn_logit_softcapping": 50.0},
          "phi3": {
            "vocab_size": 32064, "hidden_size": 3072, "intermediate_size": 8192,
            "num_hidden_layers": 32, "num_attention_heads": 32, "resid_pdrop": 0.0,
            "attention_dropout": 0.0, "hidden_act": "silu", "max_position_embeddings": 4096,
            "initializer_range": 0.02, "rms_norm_eps": 1e-5, "pad_token_id": 32000},
          "gpt2": {
            "vocab_size": 50257, "n_positions": 1024, "n_embd": 768, "n_layer": 12,
            "n_head": 12, "activation_function": "gelu_new", "resid_pdrop": 0.1,
            "embd_pdrop": 0.1, "attn_pdrop": 0.1, "layer_norm_epsilon": 1e-5,
            "initializer_range": 0.02, "scale_attn_weights": true,
            "scale_attn_by_inverse_layer_idx": false, "tie_word_embeddings": true},
          "gpt_neox": {
            "vocab_size": 50432, "hidden_size": 6144, "num_hidden_layers": 44,
            "num_attention_heads": 64, "intermediate_size": 24576, "hidden_act": "gelu",
            "attention_dropout": 0.0, "hidden_dropout": 0.0, "max_position_embeddings": 2048,
            "initializer_range": 0.02, "layer_norm_eps": 1e-5, "use_parallel_residual": true,
            "attention_bias": true}}
          """);

  private FamilyDefaults() {}

  /** {@return the value of {@code key} in a config that lacks it, or null where there is none} */
  static JsonNode get(String modelType, String key) {
    return VALUES.path(modelType).get(key);
  }

  private static JsonNode parse(String json) {
    try {
      return new ObjectMapper().readTree(json);
    } catch (JsonProcessingException e) {
      throw new IllegalStateException(e);
    }
  }
}
