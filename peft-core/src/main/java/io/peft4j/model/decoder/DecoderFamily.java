package io.peft4j.model.decoder;

import io.peft4j.model.family.Family;
import io.peft4j.model.load.ModelConfig;
import java.util.Set;

/** A family of decoders. */
public interface DecoderFamily extends Family {

  /** {@return where its modules are} */
  DecoderNames names();

  /**
   * {@return what a config says}
   *
   * @throws IllegalArgumentException naming file and key of what is missing or not supported
   */
  DecoderSpec spec(ModelConfig config);

  /** As {@link #spec}, after what no decoder here does is refused. */
  @Override
  default DecoderSpec architecture(ModelConfig config) {
    config.refuse("is_encoder_decoder", "per_layer_config", "pruned_heads", "add_cross_attention");
    return spec(config);
  }

  @Override
  default String classifierHead() {
    return DecoderBuilder.SCORE;
  }

  @Override
  default Set<String> heads() {
    return Set.of("lm_head", "score", "qa_outputs");
  }
}
