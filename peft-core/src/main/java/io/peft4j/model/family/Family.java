package io.peft4j.model.family;

import io.peft4j.model.load.ModelConfig;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * A family of models, by the {@code model_type} of its {@code config.json}: all that is known of it
 * and not of the others. {@link Families} finds it through {@link java.util.ServiceLoader}, so that
 * one class and a line in {@code META-INF/services/io.peft4j.model.family.Family} add a family; the
 * class is public and has a public constructor without parameters.
 *
 * <p>Decoders implement {@link io.peft4j.model.decoder.DecoderFamily}, encoders {@link
 * io.peft4j.model.encoder.EncoderFamily}; what they do not say has a meaning that fits most.
 */
public interface Family {

  /** {@return the {@code model_type}} */
  String modelType();

  /**
   * {@return what transformers' config class has where a {@code config.json} says nothing, of the
   * keys that are read; a JSON object} A key that is there with null is not one that is missing.
   */
  String defaults();

  /**
   * {@return words of other families that {@code config.json} may have for this one's, by the
   * latter} They win, as those of transformers' {@code attribute_map}.
   */
  default Map<String, String> aliases() {
    return Map.of();
  }

  /** {@return the key that says how many layers there are} */
  default String layersKey() {
    return "num_hidden_layers";
  }

  /**
   * {@return the model that a config describes}
   *
   * @throws IllegalArgumentException naming file and key of what is missing or not supported
   */
  Architecture architecture(ModelConfig config);

  /** {@return the module that gives a sequence classifier's logits} */
  String classifierHead();

  /**
   * {@return first parts of the names of heads, for whatever task} A checkpoint may have them where
   * a model does without.
   */
  Set<String> heads();

  /**
   * {@return names that checkpoints may have for a tensor in place of the module's, by the latter}
   */
  default Map<String, String> renamed() {
    return Map.of();
  }

  /** {@return last parts of the names of linear layers that are stored as [in, out]} */
  default Set<String> turned() {
    return Set.of();
  }

  /**
   * {@return the modules that peft adapts by a method where its config names none; empty where peft
   * has no default} Of (IA)³'s the last is the feed-forward one.
   *
   * @param peftType the method, such as {@code LORA}
   */
  default List<String> defaultTargets(String peftType) {
    return List.of();
  }

  /**
   * {@return what the adapters library calls the parts of attention; null where that is unknown}
   */
  default AttentionNames attention() {
    return null;
  }

  /** {@return the names that llama.cpp has for its modules; null where there are none} */
  default GgufNames gguf() {
    return null;
  }

  /**
   * {@return transformers' tokenizer class for it, such as {@code BertTokenizer}; null where {@code
   * tokenizer.json} is taken as it is unless a folder names one}
   */
  default String tokenizerClass() {
    return null;
  }

  /** {@return whether its folders often name a wrong tokenizer class, and the family's is taken} */
  default boolean tokenizerOftenMisnamed() {
    return false;
  }
}
