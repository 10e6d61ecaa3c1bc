package io.peft4j.train;

import io.peft4j.data.CausalDataset;
import io.peft4j.data.EpochOrder;
import io.peft4j.data.Truncation;
import io.peft4j.model.Model;
import io.peft4j.model.batch.TokenBatch;
import io.peft4j.model.batch.TokenSequence;
import io.peft4j.model.chain.Loss;
import io.peft4j.model.head.LanguageModelHead;
import io.peft4j.text.CausalEncoder;
import io.peft4j.text.CausalTokenizer;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

/**
 * Token sequences with labels, for a causal language model. The loss of an optimizer step is the
 * mean over all its labels, however they are spread over examples and passes, as transformers'
 * Trainer has it ({@code num_items_in_batch}).
 */
public final class CausalSet implements TrainingSet, EvaluationSet {

  private final LabelledSet set;
  private final Truncation truncation;

  /**
   * @param sequences as the model counts them, each with a label at least
   * @throws IllegalArgumentException if there are none, or one has no labels
   */
  public CausalSet(List<TokenSequence> sequences) {
    this(sequences, null);
  }

  private CausalSet(List<TokenSequence> sequences, Truncation truncation) {
    this.set = new LabelledSet(sequences, LanguageModelHead.READING);
    this.truncation = truncation;
  }

  /**
   * Tokenizes a data set for a model.
   *
   * @param maxLength tokens after which an example is cut, at most what the model takes
   * @throws IllegalArgumentException as {@link CausalEncoder#encode} does
   */
  public static CausalSet of(
      CausalDataset data, CausalTokenizer tokenizer, Model model, int maxLength) {
    CausalEncoder encoder = new CausalEncoder(tokenizer, Math.min(maxLength, model.maxLength()));
    CausalEncoder.Encoded encoded = encoder.encode(data);
    List<TokenSequence> sequences =
        encoded.examples().stream()
            .map(tokens -> model.sequence(tokens.ids(), null).withLabels(tokens.labels()))
            .toList();
    return new CausalSet(sequences, encoded.truncation());
  }

  /**
   * {@return what the limit on length cost the data that this was made of; null if it was made of
   * sequences}
   */
  public Truncation truncation() {
    return truncation;
  }

  /** {@return tokens of all examples} */
  public long tokens() {
    return set.sequences().all().stream().mapToLong(TokenSequence::length).sum();
  }

  /** {@return how many tokens are to be predicted} */
  public long labels() {
    return set.labels();
  }

  /**
   * The two parts; each keeps the order of the whole.
   *
   * @param train what is left to train on
   * @param heldOut what was held out
   */
  public record Split(CausalSet train, CausalSet heldOut) {}

  /**
   * Holds out {@code round(fraction * size)} examples chosen by {@code seed}.
   *
   * @throws IllegalArgumentException if a part would be empty
   */
  public Split split(double fraction, long seed) {
    int count = fraction > 0 && fraction < 1 ? (int) Math.round(fraction * size()) : 0;
    if (count == 0 || count == size()) {
      throw new IllegalArgumentException(
          "holding out " + fraction + " of the " + size() + " examples leaves a part empty");
    }
    int[] order = EpochOrder.permutation(size(), seed, 0);
    return new Split(
        subset(Arrays.stream(order, count, order.length)), subset(Arrays.stream(order, 0, count)));
  }

  /** {@return {@code count} of the examples, chosen by {@code seed}; all, if there are no more} */
  public CausalSet sample(int count, long seed) {
    int[] order = EpochOrder.permutation(size(), seed, 0);
    return subset(Arrays.stream(order).limit(count));
  }

  private CausalSet subset(IntStream indices) {
    return new CausalSet(indices.sorted().mapToObj(set.sequences()::get).toList(), truncation);
  }

  @Override
  public int size() {
    return set.size();
  }

  @Override
  public int length(int index) {
    return set.length(index);
  }

  @Override
  public int weight(int index) {
    return set.weight(index);
  }

  @Override
  public String fingerprint() {
    IntChecksum checksum = new IntChecksum();
    for (TokenSequence sequence : set.sequences().all()) {
      checksum.add(sequence.ids()).add(sequence.positions()).add(sequence.labels());
    }
    return checksum.hex();
  }

  @Override
  public TokenBatch batch(Model model, int[] examples) {
    return set.batch(model, examples);
  }

  @Override
  public Loss loss(Model model, int[] examples) {
    return set.loss(model, examples);
  }

  /**
   * {@return {@code loss}, the mean over all labels, and {@code perplexity}, e to the power of it}
   */
  @Override
  public Map<String, Double> evaluate(Model model, int batchSize) {
    return set.evaluate(model, batchSize);
  }
}
