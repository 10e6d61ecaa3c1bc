package io.peft4j.model.encoder;

import io.peft4j.model.family.Family;
import io.peft4j.model.load.ModelConfig;

/** A family of encoders. */
public interface EncoderFamily extends Family {

  /**
   * {@return what a config says}
   *
   * @throws IllegalArgumentException naming file and key of what is missing or not supported
   */
  EncoderSpec spec(ModelConfig config);

  /** As {@link #spec}, after what no encoder here does is refused. */
  @Override
  default EncoderSpec architecture(ModelConfig config) {
    config.refuse(
        "is_encoder_decoder",
        "per_layer_config",
        "pruned_heads",
        "is_decoder",
        "add_cross_attention");
    return spec(config);
  }
}
