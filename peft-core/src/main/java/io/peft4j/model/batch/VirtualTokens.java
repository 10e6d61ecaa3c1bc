package io.peft4j.model.batch;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What active adapters put before each example: trained tokens, whose vectors an adapter of the
 * word embedding supplies, and attention prefixes, which take up positions only. The k-th trained
 * token has the number {@code -1 - k}.
 */
public final class VirtualTokens {

  private final int firstPosition;
  private final Map<Object, Integer> tokens = new LinkedHashMap<>();
  private final Map<Object, Integer> positions = new LinkedHashMap<>();

  /**
   * @param firstPosition where the model's first token stands
   */
  public VirtualTokens(int firstPosition) {
    this.firstPosition = firstPosition;
  }

  /** Puts {@code count} trained tokens before each example, after those already there. */
  public void addTokens(Object owner, int count) {
    tokens.put(owner, count);
  }

  /** Moves each example {@code count} positions on. */
  public void addPositions(Object owner, int count) {
    positions.put(owner, count);
  }

  public void remove(Object owner) {
    tokens.remove(owner);
    positions.remove(owner);
  }

  /** {@return the number after which {@code owner}'s tokens are counted} */
  public int offset(Object owner) {
    int offset = 0;
    for (Map.Entry<Object, Integer> entry : tokens.entrySet()) {
      if (entry.getKey() == owner) {
        return offset;
      }
      offset += entry.getValue();
    }
    throw new IllegalStateException("the owner has no tokens");
  }

  /**
   * How examples are laid out under the adapters active at some moment.
   *
   * @param tokens trained ones before each
   * @param positions taken beside those
   */
  public record Layout(int tokens, int positions) {}

  /** {@return how examples are laid out now} */
  public Layout layout() {
    return new Layout(sum(tokens), sum(positions));
  }

  private static int sum(Map<Object, Integer> counts) {
    return counts.values().stream().mapToInt(Integer::intValue).sum();
  }

  /** {@return positions that are taken before each example} */
  public int length() {
    return sum(tokens) + sum(positions);
  }

  /** {@return whether there are trained tokens} */
  public boolean haveVectors() {
    return sum(tokens) > 0;
  }

  /** {@return positions taken by attention prefixes} */
  public int shift() {
    return sum(positions);
  }

  /** {@return {@code ids} with the trained tokens in front} */
  public int[] before(int[] ids) {
    int n = sum(tokens);
    int[] all = new int[n + ids.length];
    Arrays.setAll(all, t -> t < n ? -1 - t : ids[t - n]);
    return all;
  }

  public List<TokenSequence> before(List<TokenSequence> sequences) {
    return length() == 0 ? sequences : sequences.stream().map(this::before).toList();
  }

  /** RoBERTa's padding has a position of its own, before all others, and keeps it. */
  private int moved(int position, int by) {
    return position < firstPosition ? position : position + by;
  }

  private TokenSequence before(TokenSequence sequence) {
    int n = sum(tokens);
    int shift = shift();
    int length = n + sequence.length();
    int[] types = new int[length];
    int[] places = new int[length];
    boolean[] visible = new boolean[length];
    for (int t = 0; t < length; t++) {
      boolean real = t >= n;
      types[t] = real ? sequence.types()[t - n] : 0;
      places[t] = real ? moved(sequence.positions()[t - n], n + shift) : firstPosition + shift + t;
      visible[t] = !real || sequence.visible()[t - n];
    }
    int[] labels = null;
    if (sequence.labels() != null) {
      labels = new int[length];
      for (int t = 0; t < length; t++) {
        labels[t] = t >= n ? sequence.labels()[t - n] : TokenSequence.IGNORED;
      }
    }
    return new TokenSequence(before(sequence.ids()), types, places, visible, labels);
  }
}
