package io.peft4j.generate;

import io.peft4j.api.Experimental;
import io.peft4j.eval.Metrics;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;

/** Chooses one sequence's tokens. */
@Experimental
public final class TokenChooser {

  private final List<LogitsProcessor> processors;
  private final boolean sample;
  private final SplittableRandom random;
  private int[] tokens;

  /**
   * @param limit tokens of a full sequence, prompt included
   * @param vocabulary how many logits there are
   * @param place of the sequence among those generated together
   * @throws IllegalArgumentException if the config names tokens that there are no logits of
   */
  public TokenChooser(GenerationConfig config, int[] prompt, int limit, int vocabulary, int place) {
    this.processors = LogitsProcessors.of(config, prompt, limit, vocabulary);
    this.sample = config.doSample();
    this.random = new SplittableRandom(config.seed() + 0x9E3779B97F4A7C15L * place);
    this.tokens = prompt;
  }

  /**
   * {@return the next token, given the model's logits}
   *
   * @throws IllegalArgumentException if nothing is left to draw from
   */
  public int choose(float[] logits) {
    float[] scores = scores(logits);
    int token = sample ? draw(Scores.softmax(scores)) : Metrics.argmax(scores);
    tokens = Arrays.copyOf(tokens, tokens.length + 1);
    tokens[tokens.length - 1] = token;
    return token;
  }

  /** {@return what the next token is chosen by} */
  float[] scores(float[] logits) {
    float[] scores = logits.clone();
    processors.forEach(processor -> processor.process(tokens, scores));
    return scores;
  }

  /**
   * @throws IllegalArgumentException if nothing is left to draw from
   */
  private int draw(double[] probabilities) {
    double point = random.nextDouble();
    int last = -1;
    for (int i = 0; i < probabilities.length; i++) {
      if (probabilities[i] > 0) {
        last = i;
        point -= probabilities[i];
        if (point < 0) {
          return i;
        }
      }
    }
    if (last < 0) {
      throw new IllegalArgumentException(
          "no token can be drawn: the model's scores are not numbers (remove_invalid_values"
              + " replaces those), or all tokens are ruled out");
    }
    return last; // what rounding left over
  }
}
