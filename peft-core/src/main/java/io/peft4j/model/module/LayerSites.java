package io.peft4j.model.module;

import ai.djl.ndarray.NDArray;
import io.peft4j.model.batch.TokenBatch;
import io.peft4j.torch.AttentionOps;
import java.util.ArrayList;
import java.util.List;

/** The places of one layer where adapters act that are none of its projections. */
public final class LayerSites {

  private final int layer;
  private final Junction attention;
  private final Junction output;
  private final List<AttentionPrefix> prefixes = new ArrayList<>();

  public LayerSites(int layer, Junction attention, Junction output) {
    this.layer = layer;
    this.attention = attention;
    this.output = output;
  }

  /** {@return the layer's number, from 0} */
  public int layer() {
    return layer;
  }

  /** {@return where attention's output joins} */
  public Junction attention() {
    return attention;
  }

  /** {@return where the feed-forward network's output joins} */
  public Junction output() {
    return output;
  }

  /** Puts {@code prefix} before the keys and values, after prefixes already active. */
  public void add(AttentionPrefix prefix) {
    prefixes.add(prefix);
  }

  public void remove(AttentionPrefix prefix) {
    prefixes.remove(prefix);
  }

  /** {@return keys [rows, l, width] or [rows, heads, l, d] with those of the prefixes in front} */
  public NDArray keys(NDArray keys) {
    NDArray all = keys;
    for (int i = prefixes.size() - 1; i >= 0; i--) {
      all = AttentionOps.prepend(all, prefixes.get(i).keys(layer, keys));
    }
    return all;
  }

  /** {@return values likewise} */
  public NDArray values(NDArray values) {
    NDArray all = values;
    for (int i = prefixes.size() - 1; i >= 0; i--) {
      all = AttentionOps.prepend(all, prefixes.get(i).values(layer, values));
    }
    return all;
  }

  /**
   * {@return what the prefixes' gates do to attention; none where none is gated}
   *
   * @param x what the layer's attention reads [rows, length, hidden]
   */
  public PrefixGates gates(NDArray x, Pass pass) {
    PrefixGates gates = new PrefixGates();
    for (AttentionPrefix prefix : prefixes) {
      gates.add(prefix.length(), prefix.gate(layer, x, pass));
    }
    return gates;
  }

  /**
   * {@return {@code mask} [rows, 1, queries, keys] with columns for the prefixes in front}
   *
   * @param window how far back a query sees; {@link Integer#MAX_VALUE} for all
   */
  public NDArray mask(NDArray mask, int window, TokenBatch batch) {
    int length = prefixes.stream().mapToInt(AttentionPrefix::length).sum();
    return length == 0 ? mask : batch.prefixed(mask, length, window);
  }

  /** {@return whether some adapter needs the states of all tokens} */
  public boolean readsAllTokens() {
    return attention.readsAllTokens() || output.readsAllTokens();
  }

  /**
   * {@return what the graph of the layer keeps for what acts here}
   *
   * @param hidden elements of a state
   * @param heads of queries
   * @param dropout of attention
   */
  public Kept kept(long hidden, int heads, double dropout) {
    Kept kept = attention.kept(hidden).plus(output.kept(hidden));
    for (AttentionPrefix prefix : prefixes) {
      long scores = (long) heads * prefix.length() * (dropout > 0 ? 3 : 1);
      kept = kept.plus(prefix.kept()).plus(Kept.perToken(scores));
    }
    return kept;
  }

  public boolean trainable() {
    return attention.trainable()
        || output.trainable()
        || prefixes.stream().anyMatch(AttentionPrefix::trainable);
  }
}
