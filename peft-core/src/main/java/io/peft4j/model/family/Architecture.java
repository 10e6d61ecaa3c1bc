package io.peft4j.model.family;

import io.peft4j.model.batch.Reading;
import io.peft4j.model.batch.TokenSequence;
import io.peft4j.model.chain.Segment;
import io.peft4j.model.head.LanguageModelHead;
import io.peft4j.model.load.Weights;
import java.util.List;

/**
 * What a {@link io.peft4j.model.Model} needs to know of a family: how to count its tokens and build
 * its parts.
 */
public interface Architecture {

  /**
   * Sizes of a model.
   *
   * @param hidden width of the residual stream
   * @param heads query heads
   * @param keyHeads key and value heads
   * @param headDim elements of a head
   */
  record Sizes(int hidden, int heads, int keyHeads, int headDim) {}

  /** {@return first part of the base model's names, such as {@code bert}} */
  String baseName();

  /** {@return how many layers it has} */
  int layers();

  /** {@return a layer's name in the base model, with %d} */
  String layerName();

  /** {@return width of the residual stream} */
  int hidden();

  /** {@return standard deviation of newly initialized weights} */
  double initializerRange();

  /** {@return the longest sequence it takes} */
  int maxLength();

  /** {@return the sizes that adapters ask for} */
  Sizes sizes();

  /** One example as the model counts it, without padding; types as long as ids. */
  TokenSequence sequence(int[] ids, int[] types);

  /** One row of a padded batch, with the positions Hugging Face gives it. */
  TokenSequence unpad(int[] ids, int[] types, int[] mask);

  /** As {@link #unpad}, where trained vectors go before the tokens, which go in as vectors too. */
  default TokenSequence unpadVectors(int[] ids, int[] types, int[] mask) {
    return unpad(ids, types, mask);
  }

  /** {@return the name of the module that gives a sequence classifier's logits} */
  String headName();

  /** {@return which token of a sequence its classifier reads} */
  Reading sequenceReading();

  /**
   * {@return the segments from tokens to the states that a head reads}
   *
   * @param reading of the head; the last segment gives [n, hidden], a row for each token read
   */
  List<Segment> body(Weights weights, Reading reading);

  /** {@return a sequence classifier's states [examples, hidden] to logits [examples, labels]} */
  Segment classifier(Weights weights, int labels);

  /** A language model's segments, up to the states that its head reads, and the head. */
  record LanguageModel(List<Segment> body, LanguageModelHead head) {}

  /**
   * {@return body and head of a language model, which may have a table in common}
   *
   * @throws IllegalArgumentException if the family has none
   */
  default LanguageModel languageModel(Weights weights) {
    throw new IllegalArgumentException(baseName() + " is no causal language model");
  }

  /** Throws IllegalArgumentException unless {@code length} is one that the model takes. */
  default void checkLength(int length) {
    if (length == 0 || length > maxLength()) {
      throw new IllegalArgumentException(
          "a sequence has " + length + " tokens; the model takes 1 to " + maxLength());
    }
  }
}
