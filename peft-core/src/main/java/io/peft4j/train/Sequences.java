package io.peft4j.train;

import io.peft4j.data.BatchPlan;
import io.peft4j.data.EpochOrder;
import io.peft4j.model.Model;
import io.peft4j.model.batch.TokenBatch;
import io.peft4j.model.batch.TokenSequence;
import java.util.ArrayList;
import java.util.List;

/** The tokens of a set of examples, and how they make batches. */
record Sequences(List<TokenSequence> all) {

  Sequences {
    all = List.copyOf(all);
  }

  int size() {
    return all.size();
  }

  TokenSequence get(int index) {
    return all.get(index);
  }

  int length(int index) {
    return all.get(index).length();
  }

  /** {@return those examples as a batch, which the caller closes} */
  TokenBatch batch(Model model, int[] examples) {
    List<TokenSequence> chosen = new ArrayList<>(examples.length);
    for (int example : examples) {
      chosen.add(all.get(example));
    }
    return model.batch(chosen);
  }

  /** {@return all examples in batches of like length, for when their order does not matter} */
  List<int[]> batches(int batchSize) {
    int[] lengths = all.stream().mapToInt(TokenSequence::length).toArray();
    return BatchPlan.groupedByLength(lengths, EpochOrder.sequential(size()), batchSize).batches();
  }
}
