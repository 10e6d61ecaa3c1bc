package io.peft4j.torch;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;

/** What attention is made of: masks, positions, scores, the key-value cache. See {@link Ops}. */
public final class AttentionOps {

  private AttentionOps() {}

  /**
   * The additive mask that lets a query see the keys with its own number: query [r, q], key [r, k]
   * int64, result float32 [r, 1, q, k], 0 where equal and -1e30 elsewhere.
   */
  public static NDArray encoderMask(NDArray query, NDArray key) {
    return OpsScript.call("encoder_mask", query, key);
  }

  /**
   * Scaled dot-product attention: q [r, lq, h·d], k and v [r, lk, h·d], mask [r, 1, lq, lk] added
   * to the scores, heads a 0-d integer; result [r, lq, h·d].
   */
  public static NDArray attention(NDArray q, NDArray k, NDArray v, NDArray mask, NDArray heads) {
    return OpsScript.call("attention", q, k, v, mask, heads);
  }

  /** The first half of {@link #attention}: probabilities [r, h, lq, lk]. */
  public static NDArray attentionScores(NDArray q, NDArray k, NDArray mask, NDArray heads) {
    return OpsScript.call("scores", q, k, mask, heads);
  }

  /** Scaled products of queries and keys, [r, h, lq, lk], operands as {@link #attention}'s. */
  public static NDArray products(NDArray q, NDArray k, NDArray heads) {
    return OpsScript.call("product", q, k, heads);
  }

  /** What scores [r, h, lq, lk] become with {@code mask} [r, 1, lq, lk] added: probabilities. */
  public static NDArray maskedSoftmax(NDArray scores, NDArray mask) {
    return OpsScript.call("masked_softmax", scores, mask);
  }

  /**
   * {@return {@code s} [r, h, q, k] with {@code count} of its columns from {@code start} on times
   * {@code gate}'s own, a number for each query}
   *
   * @param gate [r, q, n]
   * @param column which of the n
   */
  public static NDArray gateColumns(NDArray s, NDArray gate, long column, long start, long count) {
    try (NDArray which = HostTensors.number(s.getManager(), column);
        NDArray from = HostTensors.number(s.getManager(), start);
        NDArray n = HostTensors.number(s.getManager(), count)) {
      return OpsScript.call("gate_columns", s, gate, which, from, n);
    }
  }

  /** The second half of {@link #attention}: p [r, h, lq, lk], v [r, lk, h·d]. */
  public static NDArray attentionWeigh(NDArray p, NDArray v, NDArray heads) {
    return OpsScript.call("weigh", p, v, heads);
  }

  /**
   * The additive mask of causal attention: a query sees the keys with its own number that stand at
   * its position or fewer than {@code window} before it.
   *
   * @param owner int64 [r, q]
   * @param key int64 [r, k]
   * @param position int64 [r, q]
   * @param keyPosition int64 [r, k]
   * @param window 0-d
   * @return float32 [r, 1, q, k], 0 or -1e30
   */
  public static NDArray causalMask(
      NDArray owner, NDArray key, NDArray position, NDArray keyPosition, NDArray window) {
    return OpsScript.call("causal_mask", owner, key, position, keyPosition, window);
  }

  /** Each position times each frequency: int64 [r, l] and float32 [n] to float32 [r, 1, l, n]. */
  public static NDArray angles(NDArray positions, NDArray frequencies) {
    return OpsScript.call("angles", positions, frequencies);
  }

  /** {@code x} [r, l, h·d] as [r, h, l, d]. */
  public static NDArray heads(NDArray x, NDArray heads) {
    return OpsScript.call("heads", x, heads);
  }

  /**
   * Rotary positions (Su et al., 2021), in the layout of two halves: the first {@code 2 n} elements
   * of each head are turned, element i together with element {@code i + n}.
   *
   * @param x [r, l, h·d]
   * @param cos [r, 1, l, n], in {@code x}'s type, as {@code sin}
   * @param whole whether {@code 2 n = d}
   * @return [r, h, l, d]
   */
  public static NDArray rotate(NDArray x, NDArray cos, NDArray sin, NDArray heads, boolean whole) {
    return OpsScript.call(whole ? "rotate_all" : "rotate", x, cos, sin, heads);
  }

  /**
   * Attention probabilities where groups of query heads share a key head (Ainslie et al., 2023): q
   * [r, h, lq, d], k [r, g, lk, d], mask [r, 1, lq, lk]; result [r, h, lq, lk].
   *
   * @param scale on the products, 0-d
   * @param cap scores are softly held within ± it by tanh; 0-d, or null
   */
  public static NDArray groupedScores(
      NDArray q, NDArray k, NDArray mask, NDArray scale, NDArray cap) {
    return cap == null
        ? OpsScript.call("grouped_scores", q, k, mask, scale)
        : OpsScript.call("capped_scores", q, k, mask, scale, cap);
  }

  /** Scaled products of grouped heads, [r, h, lq, lk], operands as {@link #groupedScores}'s. */
  public static NDArray groupedProducts(NDArray q, NDArray k, NDArray scale, NDArray cap) {
    NDArray products = OpsScript.call("grouped_product", q, k, scale);
    return cap == null ? products : OpsScript.call("soft_cap", products, cap);
  }

  /** Attention's output: p [r, h, lq, lk], v [r, g, lk, d], result [r, lq, h·d]. */
  public static NDArray groupedWeigh(NDArray p, NDArray v) {
    return OpsScript.call("grouped_weigh", p, v);
  }

  /** {@link #groupedScores} and {@link #groupedWeigh} in one, without keeping the scores. */
  public static NDArray groupedAttention(
      NDArray q, NDArray k, NDArray v, NDArray mask, NDArray scale) {
    return OpsScript.call("grouped_attention", q, k, v, mask, scale);
  }

  /** Splits the last dimension into three; {@code sizes} int64 [3]. */
  public static NDList split(NDArray x, NDArray sizes) {
    return OpsScript.run("split", new NDList(x, sizes));
  }

  /** Splits [r, l, h·3·d] into three [r, l, h·d], where each head has its three parts together. */
  public static NDList splitInHeads(NDArray x, NDArray heads) {
    return OpsScript.run("split_in_heads", new NDList(x, heads));
  }

  /**
   * Copies {@code part} [r, h, n, d] into {@code buffer} [r, h, capacity, d] from {@code offset}
   * (0-d) on.
   *
   * @return that part of the buffer, not a copy
   */
  public static NDArray put(NDArray buffer, NDArray part, NDArray offset) {
    return OpsScript.call("put", buffer, part, offset);
  }

  /** {@return zeros [r, h, capacity, d] for parts like {@code part} [r, h, n, d]} */
  public static NDArray buffer(NDArray part, NDArray capacity) {
    return OpsScript.call("buffer", part, capacity);
  }

  /**
   * Puts the same rows before each row of {@code x}.
   *
   * @param x [r, l, heads · d] or [r, heads, l, d]
   * @param rows [n, heads · d]
   * @return [r, n + l, heads · d] or [r, heads, n + l, d]
   */
  public static NDArray prepend(NDArray x, NDArray rows) {
    return OpsScript.call("prepend", x, rows);
  }

  /** {@return {@code mask} with {@code n} (0-d) columns of zeros in front} */
  public static NDArray padFront(NDArray mask, NDArray n) {
    return OpsScript.call("pad_front", mask, n);
  }

  /**
   * {@return {@code mask} [r, 1, q, k] with {@code n} (0-d) columns in front for keys at positions
   * 0 to n - 1, seen by queries that stand fewer than {@code window} (0-d) after them}
   *
   * @param position int64 [r, q]
   */
  public static NDArray prefixMask(NDArray mask, NDArray position, NDArray n, NDArray window) {
    return OpsScript.call("prefix_mask", mask, position, n, window);
  }
}
