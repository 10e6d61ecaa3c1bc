package io.peft4j.generate;

import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Map;

/** What tokens that came before do to the scores of the next one. */
final class Repetition {

  private Repetition() {}

  /**
   * Divides the positive scores of tokens that occurred and multiplies the negative ones (Keskar et
   * al., 2019).
   */
  static LogitsProcessor penalty(float penalty) {
    return (tokens, scores) -> {
      BitSet occurred = new BitSet(scores.length);
      for (int token : tokens) {
        if (token >= 0 && token < scores.length && !occurred.get(token)) {
          occurred.set(token);
          scores[token] = scores[token] < 0 ? scores[token] * penalty : scores[token] / penalty;
        }
      }
    };
  }

  /** Rules out what would complete a sequence of {@code n} tokens that {@code before} has. */
  static void banGrams(int n, int[] before, int[] tokens, float[] scores) {
    int prefix = n - 1;
    if (tokens.length < prefix) {
      return;
    }
    int from = tokens.length - prefix;
    for (int at = 0; at + prefix < before.length; at++) {
      if (Arrays.equals(before, at, at + prefix, tokens, from, tokens.length)) {
        int next = before[at + prefix];
        if (next >= 0 && next < scores.length) {
          scores[next] = Float.NEGATIVE_INFINITY;
        }
      }
    }
  }

  /** Adds to the score of a sequence's last token where the others have just come. */
  static LogitsProcessor bias(Map<List<Integer>, Float> biases) {
    return (tokens, scores) -> {
      float[] sum = new float[scores.length];
      biases.forEach(
          (ids, bias) -> {
            if (isNext(ids, tokens)) {
              sum[ids.get(ids.size() - 1)] += bias;
            }
          });
      for (int i = 0; i < scores.length; i++) {
        scores[i] += sum[i];
      }
    };
  }

  private static boolean isNext(List<Integer> ids, int[] tokens) {
    int from = tokens.length - (ids.size() - 1);
    for (int i = 0; i < ids.size() - 1; i++) {
      if (from < 0 || tokens[from + i] != ids.get(i)) {
        return false;
      }
    }
    return true;
  }
}
