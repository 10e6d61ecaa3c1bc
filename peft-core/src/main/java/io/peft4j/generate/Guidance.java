package io.peft4j.generate;

import io.peft4j.model.CausalLm;
import io.peft4j.model.Decoding;
import java.util.List;

/**
 * Classifier-free guidance (Sanchez et al., 2023): scores moved away from those of the same
 * sequence without its prompt, of which the last token stays.
 */
final class Guidance implements AutoCloseable {

  private final float scale;
  private final Decoding unprompted;

  private Guidance(float scale, Decoding unprompted) {
    this.scale = scale;
    this.unprompted = unprompted;
  }

  /**
   * {@return the guidance that {@code config} asks for; one that changes nothing if it does not}
   *
   * @throws IllegalArgumentException if an adapter puts virtual tokens before each prompt
   */
  static Guidance of(GenerationConfig config, CausalLm model, List<int[]> prompts) {
    double scale = config.number("guidance_scale", 1);
    if (scale == 1) {
      return new Guidance(1, null);
    }
    if (model.model().virtualTokens().length() > 0) {
      throw new IllegalArgumentException(
          "guidance_scale: expected 1 with an adapter that puts virtual tokens before a prompt,"
              + " found "
              + scale);
    }
    List<int[]> last =
        prompts.stream().map(prompt -> new int[] {prompt[prompt.length - 1]}).toList();
    return new Guidance((float) scale, model.start(last));
  }

  /** {@return the scores of each sequence's next token, given its logits} */
  float[][] scores(float[][] logits) {
    if (unprompted == null) {
      return logits;
    }
    float[][] scores = new float[logits.length][];
    for (int row = 0; row < scores.length; row++) {
      float[] prompted = logits[row].clone();
      float[] other = unprompted.logits()[row].clone();
      Scores.logSoftmax(prompted);
      Scores.logSoftmax(other);
      for (int i = 0; i < other.length; i++) {
        prompted[i] = scale * (prompted[i] - other[i]) + other[i];
      }
      scores[row] = prompted;
    }
    return scores;
  }

  void keep(int[] rows) {
    if (unprompted != null) {
      unprompted.keep(rows);
    }
  }

  void append(int[] tokens) {
    if (unprompted != null) {
      unprompted.append(tokens);
    }
  }

  @Override
  public void close() {
    if (unprompted != null) {
      unprompted.close();
    }
  }
}
