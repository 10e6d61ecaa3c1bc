package io.peft4j.model;

import com.fasterxml.jackson.databind.JsonNode;
import io.peft4j.model.DecoderSpec.Attention;
import io.peft4j.model.DecoderSpec.Dropout;
import io.peft4j.model.DecoderSpec.FeedForward;
import io.peft4j.model.DecoderSpec.Joining;
import io.peft4j.model.DecoderSpec.Names;
import io.peft4j.model.DecoderSpec.Normalization;
import java.util.Arrays;
import java.util.List;

/** Reads a {@link DecoderSpec} from the {@code config.json} of each family that is known. */
final class DecoderFamilies {

  private static final List<String> TYPES =
      List.of("llama", "mistral", "qwen2", "qwen3", "gemma2", "phi3", "gpt2", "gpt_neox");

  /** Sees everything before it. */
  private static final int NO_WINDOW = Integer.MAX_VALUE;

  private static final Names LLAMA =
      new Names(
          "model",
          "embed_tokens",
          null,
          "layers.%d",
          "input_layernorm",
          List.of("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
          "self_attn.o_proj",
          null,
          "post_attention_layernorm",
          List.of("mlp.gate_proj", "mlp.up_proj"),
          "mlp.down_proj",
          null,
          "norm");

  private static final Names PHI3 =
      new Names(
          LLAMA.base(),
          LLAMA.embedding(),
          null,
          LLAMA.layer(),
          LLAMA.beforeAttention(),
          List.of("self_attn.qkv_proj"),
          LLAMA.attentionOutput(),
          null,
          LLAMA.beforeFeedForward(),
          List.of("mlp.gate_up_proj"),
          LLAMA.down(),
          null,
          LLAMA.finalNorm());

  private static final Names GEMMA2 =
      new Names(
          LLAMA.base(),
          LLAMA.embedding(),
          null,
          LLAMA.layer(),
          LLAMA.beforeAttention(),
          LLAMA.projections(),
          LLAMA.attentionOutput(),
          "post_attention_layernorm",
          "pre_feedforward_layernorm",
          LLAMA.up(),
          LLAMA.down(),
          "post_feedforward_layernorm",
          LLAMA.finalNorm());

  private static final Names GPT2 =
      new Names(
          "transformer",
          "wte",
          "wpe",
          "h.%d",
          "ln_1",
          List.of("attn.c_attn"),
          "attn.c_proj",
          null,
          "ln_2",
          List.of("mlp.c_fc"),
          "mlp.c_proj",
          null,
          "ln_f");

  private static final Names GPT_NEOX =
      new Names(
          "gpt_neox",
          "embed_in",
          null,
          "layers.%d",
          "input_layernorm",
          List.of("attention.query_key_value"),
          "attention.dense",
          null,
          "post_attention_layernorm",
          List.of("mlp.dense_h_to_4h"),
          "mlp.dense_4h_to_h",
          null,
          "final_layer_norm");

  private DecoderFamilies() {}

  static boolean knows(String modelType) {
    return TYPES.contains(modelType);
  }

  /** {@return the values of {@code model_type} that are known, as a text} */
  static String types() {
    return String.join(", ", TYPES);
  }

  /** {@return the module names of a family that is known} */
  static Names names(String modelType) {
    return switch (modelType) {
      case "gemma2" -> GEMMA2;
      case "phi3" -> PHI3;
      case "gpt2" -> GPT2;
      case "gpt_neox" -> GPT_NEOX;
      default -> LLAMA;
    };
  }

  /**
   * @throws IllegalArgumentException naming file and key of what is missing or not supported
   */
  static DecoderSpec of(ModelConfig config) {
    return switch (config.modelType()) {
      case "llama" ->
          llamaLike(config, config.flag("attention_bias", false), config.flag("mlp_bias", false));
      case "mistral", "qwen3" -> llamaLike(config, config.flag("attention_bias", false), false);
      case "qwen2" -> llamaLike(config, true, false);
      case "gemma2", "phi3" -> llamaLike(config, config.flag("attention_bias", false), false);
      case "gpt2" -> gpt2(config);
      case "gpt_neox" -> gptNeox(config);
      default -> throw config.unsupported("model_type", types());
    };
  }

  private static DecoderSpec llamaLike(ModelConfig config, boolean bias, boolean mlpBias) {
    String type = config.modelType();
    boolean gemma = type.equals("gemma2");
    boolean phi = type.equals("phi3");
    int layers = config.integer("num_hidden_layers");
    int hidden = config.integer("hidden_size");
    int heads = config.integer("num_attention_heads");
    int keyHeads = config.integer("num_key_value_heads", heads);
    int defaultHeadDim = gemma ? 256 : type.equals("qwen3") ? 128 : hidden / heads;
    int headDim = config.integer("head_dim", defaultHeadDim);
    checkHeads(config, heads, keyHeads);
    double[] scales = new double[layers];
    Arrays.fill(
        scales, 1 / Math.sqrt(gemma ? config.number("query_pre_attn_scalar", 256) : headDim));
    Activation activation =
        gemma
            ? config.activation("hidden_activation", "gelu_pytorch_tanh")
            : config.activation("hidden_act", "silu");
    return new DecoderSpec(
        layers,
        hidden,
        config.integer("intermediate_size"),
        config.integer("vocab_size"),
        config.integer("max_position_embeddings"),
        new Normalization(true, gemma, config.number("rms_norm_eps", phi ? 1e-5 : 1e-6)),
        new Attention(
            heads,
            keyHeads,
            headDim,
            phi ? Joining.WHOLE : Joining.NONE,
            bias,
            bias && !type.equals("qwen2"),
            type.equals("qwen3"),
            scales,
            gemma ? config.number("attn_logit_softcapping", 0) : 0,
            windows(config, layers),
            config.number("attention_dropout", 0)),
        new FeedForward(true, phi, activation, mlpBias),
        Rope.of(config, headDim, 1, 10000),
        false,
        gemma ? Math.sqrt(hidden) : 1,
        gemma ? config.number("final_logit_softcapping", 0) : 0,
        config.tiesHead(),
        false,
        new Dropout(0, phi ? config.number("resid_pdrop", 0) : 0),
        config.number("initializer_range", 0.02),
        padId(config),
        names(type));
  }

  private static DecoderSpec gpt2(ModelConfig config) {
    int layers = config.integer("n_layer");
    int hidden = config.integer("n_embd");
    int heads = config.integer("n_head");
    checkHeads(config, heads, heads);
    int headDim = hidden / heads;
    boolean scaled = config.flag("scale_attn_weights", true);
    boolean byLayer = config.flag("scale_attn_by_inverse_layer_idx", false);
    double[] scales = new double[layers];
    for (int i = 0; i < layers; i++) {
      scales[i] = (scaled ? 1 / Math.sqrt(headDim) : 1) / (byLayer ? i + 1 : 1);
    }
    return new DecoderSpec(
        layers,
        hidden,
        config.integer("n_inner", 4 * hidden),
        config.integer("vocab_size"),
        config.integer("n_positions"),
        new Normalization(false, false, config.number("layer_norm_epsilon", 1e-5)),
        new Attention(
            heads,
            heads,
            headDim,
            Joining.WHOLE,
            true,
            true,
            false,
            scales,
            0,
            whole(layers),
            config.number("attn_pdrop", 0.1)),
        new FeedForward(false, false, config.activation("activation_function", "gelu_new"), true),
        null,
        false,
        1,
        0,
        config.tiesHead(),
        true,
        new Dropout(config.number("embd_pdrop", 0.1), config.number("resid_pdrop", 0.1)),
        config.number("initializer_range", 0.02),
        padId(config),
        names(config.modelType()));
  }

  private static DecoderSpec gptNeox(ModelConfig config) {
    int layers = config.integer("num_hidden_layers");
    int hidden = config.integer("hidden_size");
    int heads = config.integer("num_attention_heads");
    checkHeads(config, heads, heads);
    int headDim = hidden / heads;
    boolean bias = config.flag("attention_bias", true);
    double[] scales = new double[layers];
    Arrays.fill(scales, 1 / Math.sqrt(headDim));
    return new DecoderSpec(
        layers,
        hidden,
        config.integer("intermediate_size"),
        config.integer("vocab_size"),
        config.integer("max_position_embeddings"),
        new Normalization(false, false, config.number("layer_norm_eps", 1e-5)),
        new Attention(
            heads,
            heads,
            headDim,
            Joining.BY_HEAD,
            bias,
            bias,
            false,
            scales,
            0,
            whole(layers),
            config.number("attention_dropout", 0)),
        new FeedForward(false, false, config.activation("hidden_act", "gelu"), true),
        Rope.of(
            config,
            headDim,
            config.number("rotary_pct", 0.25),
            config.number("rotary_emb_base", 10000)),
        config.flag("use_parallel_residual", true),
        1,
        0,
        config.tiesHead(),
        false,
        new Dropout(config.number("hidden_dropout", 0), config.number("hidden_dropout", 0)),
        config.number("initializer_range", 0.02),
        padId(config),
        names(config.modelType()));
  }

  private static void checkHeads(ModelConfig config, int heads, int keyHeads) {
    if (heads < 1 || keyHeads < 1 || heads % keyHeads != 0) {
      throw config.unsupported("num_key_value_heads", "a divisor of num_attention_heads, " + heads);
    }
  }

  private static Integer padId(ModelConfig config) {
    return config.absent("pad_token_id") ? null : Integer.valueOf(config.integer("pad_token_id"));
  }

  private static int[] whole(int layers) {
    int[] windows = new int[layers];
    Arrays.fill(windows, NO_WINDOW);
    return windows;
  }

  /** Mistral and Phi-3 slide everywhere; Qwen and Gemma 2 in some layers. */
  private static int[] windows(ModelConfig config, int layers) {
    int[] windows = whole(layers);
    String type = config.modelType();
    boolean qwen = type.startsWith("qwen");
    boolean gemma = type.equals("gemma2");
    if (type.equals("llama") || (qwen && !config.flag("use_sliding_window", false))) {
      return windows;
    }
    if (config.absent("sliding_window")) {
      return windows;
    }
    int window = config.integer("sliding_window");
    JsonNode kinds = config.json().get("layer_types");
    for (int i = 0; i < layers; i++) {
      boolean slides;
      if ((qwen || gemma) && kinds != null && kinds.isArray()) {
        if (kinds.size() != layers) {
          throw config.unsupported("layer_types", "a list of " + layers + " names");
        }
        String kind = kinds.get(i).asText();
        if (!kind.equals("sliding_attention") && !kind.equals("full_attention")) {
          throw config.unsupported("layer_types", "sliding_attention, full_attention");
        }
        slides = kind.equals("sliding_attention");
      } else {
        slides = qwen ? i >= config.integer("max_window_layers", 28) : !gemma || i % 2 == 0;
      }
      windows[i] = slides ? window : NO_WINDOW;
    }
    return windows;
  }
}
