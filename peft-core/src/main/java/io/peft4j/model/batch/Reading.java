package io.peft4j.model.batch;

import java.util.Arrays;

/**
 * Which tokens' states a head reads of a sequence, and what it should say of each. It sees a
 * sequence as the model runs it: trained tokens that adapters have put in front have negative
 * numbers, see {@link VirtualTokens}.
 */
public interface Reading {

  /**
   * The first token, whatever it is. An encoder whose head reads nothing else computes no other
   * states in its last layer.
   */
  Reading FIRST = sequence -> new int[] {0};

  /** {@return numbers of the tokens whose states are read, in order} */
  int[] tokens(TokenSequence sequence);

  /**
   * {@return for each of {@link #tokens} what should be said of it, {@link TokenSequence#IGNORED}
   * for nothing; null where a sequence's labels are not its tokens'}
   */
  default int[] targets(TokenSequence sequence) {
    return null;
  }

  /** {@return how many of a sequence's tokens there is something to say of} */
  default int labelCount(TokenSequence sequence) {
    int[] targets = targets(sequence);
    return targets == null
        ? 0
        : (int) Arrays.stream(targets).filter(target -> target != TokenSequence.IGNORED).count();
  }

  /**
   * The last token that does not pad, as decoders' classifiers read it; the first real one where
   * all do.
   *
   * @param padId token that pads; null where there is none
   */
  static Reading last(Integer padId) {
    return sequence -> {
      int[] ids = sequence.ids();
      int last = ids.length - 1;
      while (padId != null && last > 0 && ids[last - 1] >= 0 && ids[last] == padId) {
        last--;
      }
      return new int[] {last};
    };
  }
}
