package io.peft4j.model.decoder;

import com.fasterxml.jackson.databind.JsonNode;
import io.peft4j.model.decoder.DecoderSpec.Attention;
import io.peft4j.model.decoder.DecoderSpec.Dropout;
import io.peft4j.model.decoder.DecoderSpec.FeedForward;
import io.peft4j.model.decoder.DecoderSpec.Joining;
import io.peft4j.model.decoder.DecoderSpec.Names;
import io.peft4j.model.decoder.DecoderSpec.Normalization;
import io.peft4j.model.load.ModelConfig;
import io.peft4j.model.module.Activation;
import java.util.Arrays;
import java.util.List;

/** Reads a {@link DecoderSpec} from the {@code config.json} of each family that is known. */
public final class DecoderFamilies {

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

  public static boolean knows(String modelType) {
    return TYPES.contains(modelType);
  }

  /** {@return the values of {@code model_type} that are known, as a text} */
  public static String types() {
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
  public static DecoderSpec of(ModelConfig config) {
    config.refuse("is_encoder_decoder", "per_layer_config", "pruned_heads", "add_cross_attention");
    return switch (config.modelType()) {
      case "llama" ->
          llamaLike(config, config.flag("attention_bias", false), config.flag("mlp_bias", false));
      case "qwen3", "gemma2" -> llamaLike(config, config.flag("attention_bias", false), false);
      case "qwen2" -> llamaLike(config, true, false);
      case "mistral", "phi3" -> llamaLike(config, false, false);
      case "gpt2" -> gpt2(config);
      case "gpt_neox" -> gptNeox(config);
      default -> throw config.unsupported("model_type", types());
    };
  }

  private static DecoderSpec llamaLike(ModelConfig config, boolean bias, boolean mlpBias) {
    String type = config.modelType();
    boolean gemma = type.equals("gemma2");
    boolean phi = type.equals("phi3");
    int layers = config.layers("num_hidden_layers");
    int hidden = config.size("hidden_size");
    int heads = config.size("num_attention_heads");
    int keyHeads = config.size("num_key_value_heads", heads);
    boolean derived = !gemma && !type.equals("qwen3") && config.absent("head_dim");
    int headDim = derived ? hidden / heads : config.size("head_dim");
    checkHeads(config, heads, keyHeads, headDim);
    if (gemma) {
      config.refuse("use_bidirectional_attention");
    }
    double[] scales = new double[layers];
    Arrays.fill(
        scales, 1 / Math.sqrt(gemma ? config.positive("query_pre_attn_scalar", 256) : headDim));
    Activation activation =
        gemma
            ? config.activation("hidden_activation", "gelu_pytorch_tanh")
            : config.activation("hidden_act", "silu");
    return new DecoderSpec(
        layers,
        hidden,
        config.size("intermediate_size"),
        config.size("vocab_size"),
        config.size("max_position_embeddings"),
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
            config.probability("attention_dropout", 0)),
        new FeedForward(true, phi, activation, mlpBias),
        Rope.of(config, headDim, phi, 1, 10000),
        false,
        gemma ? Math.sqrt(hidden) : 1,
        gemma ? config.number("final_logit_softcapping", 0) : 0,
        config.tiesHead(),
        false,
        new Dropout(0, phi ? config.probability("resid_pdrop", 0) : 0),
        config.number("initializer_range", 0.02),
        padId(config),
        names(type));
  }

  private static DecoderSpec gpt2(ModelConfig config) {
    int layers = config.layers("n_layer");
    int hidden = config.size("n_embd");
    int heads = config.size("n_head");
    int headDim = divided(config, hidden, heads);
    boolean scaled = config.flag("scale_attn_weights", true);
    boolean byLayer = config.flag("scale_attn_by_inverse_layer_idx", false);
    double[] scales = new double[layers];
    for (int i = 0; i < layers; i++) {
      scales[i] = (scaled ? 1 / Math.sqrt(headDim) : 1) / (byLayer ? i + 1 : 1);
    }
    return new DecoderSpec(
        layers,
        hidden,
        config.size("n_inner", 4 * hidden),
        config.size("vocab_size"),
        config.size("n_positions"),
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
            config.probability("attn_pdrop", 0.1)),
        new FeedForward(false, false, config.activation("activation_function", "gelu_new"), true),
        null,
        false,
        1,
        0,
        config.tiesHead(),
        true,
        new Dropout(config.probability("embd_pdrop", 0.1), config.probability("resid_pdrop", 0.1)),
        config.number("initializer_range", 0.02),
        padId(config),
        names(config.modelType()));
  }

  private static DecoderSpec gptNeox(ModelConfig config) {
    int layers = config.layers("num_hidden_layers");
    int hidden = config.size("hidden_size");
    int heads = config.size("num_attention_heads");
    int headDim = divided(config, hidden, heads);
    boolean bias = config.flag("attention_bias", true);
    double[] scales = new double[layers];
    Arrays.fill(scales, 1 / Math.sqrt(headDim));
    return new DecoderSpec(
        layers,
        hidden,
        config.size("intermediate_size"),
        config.size("vocab_size"),
        config.size("max_position_embeddings"),
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
            config.probability("attention_dropout", 0)),
        new FeedForward(false, false, config.activation("hidden_act", "gelu"), true),
        Rope.of(
            config,
            headDim,
            true,
            config.number("rotary_pct", 0.25),
            config.number("rotary_emb_base", 10000)),
        config.flag("use_parallel_residual", true),
        1,
        0,
        config.tiesHead(),
        false,
        new Dropout(
            config.probability("hidden_dropout", 0), config.probability("hidden_dropout", 0)),
        config.number("initializer_range", 0.02),
        padId(config),
        names(config.modelType()));
  }

  private static int divided(ModelConfig config, int hidden, int heads) {
    if (hidden % heads != 0) {
      throw config.wrong(
          "expected a width that is a multiple of the number of heads; found width "
              + hidden
              + ", "
              + heads
              + " heads");
    }
    return hidden / heads;
  }

  private static void checkHeads(ModelConfig config, int heads, int keyHeads, int headDim) {
    if (heads % keyHeads != 0) {
      throw config.unsupported("num_key_value_heads", "a divisor of num_attention_heads, " + heads);
    }
    long width = headDim * (heads + 2L * keyHeads);
    if (headDim < 1 || width > Integer.MAX_VALUE) {
      throw config.wrong(
          "expected heads of at least one element and at most 2^31 - 1 in all; found "
              + heads
              + " heads, "
              + keyHeads
              + " of keys, of "
              + headDim
              + " elements");
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
    int window = config.size("sliding_window");
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
