package io.peft4j.model.zoo;

import io.peft4j.model.decoder.DecoderFamily;
import io.peft4j.model.decoder.DecoderNames;
import io.peft4j.model.decoder.DecoderSpecBuilder;
import io.peft4j.model.decoder.LayerTypes;
import io.peft4j.model.family.GgufNames;
import io.peft4j.model.load.ModelConfig;
import java.util.List;

/** What Qwen2 and Qwen3 have in common: Llama's names, and windows in the upper layers. */
abstract class QwenFamily implements DecoderFamily {

  static final DecoderNames NAMES = DecoderNames.builder().build();

  @Override
  public final DecoderNames names() {
    return NAMES;
  }

  /** Lets those layers slide that the config says, if any do. */
  static void slide(DecoderSpecBuilder spec, ModelConfig config) {
    if (config.flag("use_sliding_window", false) && !config.absent("sliding_window")) {
      spec.window(
          config.size("sliding_window"),
          LayerTypes.sliding(config, layer -> layer >= config.integer("max_window_layers", 28)));
    }
  }

  @Override
  public final List<String> defaultTargets(String peftType) {
    return switch (peftType) {
      case "IA3" -> List.of("q_proj", "v_proj", "down_proj");
      case "LN_TUNING" -> List.of("post_attention_layernorm");
      default -> List.of("q_proj", "v_proj");
    };
  }

  @Override
  public final GgufNames gguf() {
    return GgufNames.asLlama(modelType());
  }

  @Override
  public final String tokenizerClass() {
    return "Qwen2Tokenizer";
  }
}
