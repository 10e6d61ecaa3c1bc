package io.peft4j.model.head;

import io.peft4j.model.batch.Reading;
import io.peft4j.model.batch.TokenSequence;
import java.util.stream.IntStream;

/** Labels are in the places of the tokens to predict, each from the one before it. */
final class NextToken implements Reading {

  private static IntStream predicted(TokenSequence sequence) {
    int[] labels = sequence.labels();
    return labels == null
        ? IntStream.empty()
        : IntStream.range(1, labels.length)
            .filter(t -> labels[t] != TokenSequence.IGNORED && sequence.ids()[t - 1] >= 0);
  }

  @Override
  public int[] tokens(TokenSequence sequence) {
    return predicted(sequence).map(t -> t - 1).toArray();
  }

  @Override
  public int[] targets(TokenSequence sequence) {
    return predicted(sequence).map(t -> sequence.labels()[t]).toArray();
  }
}
