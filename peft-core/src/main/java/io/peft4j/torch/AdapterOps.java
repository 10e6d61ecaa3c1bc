package io.peft4j.torch;

import ai.djl.ndarray.NDArray;

/** What adapter methods compute, each in one call. See {@link Ops}. */
public final class AdapterOps {

  private AdapterOps() {}

  /**
   * LoRA: {@code y + scale · ((x Aᵀ) Bᵀ + bias)}. x [.., in], y [.., out], a [r, in], b [out, r],
   * bias [out] or null; the factors are read in {@code x}'s type. May be computed in {@code y}'s
   * place, which therefore no operation may have kept for its gradient.
   */
  public static NDArray lora(
      NDArray y, NDArray x, NDArray a, NDArray b, NDArray bias, NDArray scale) {
    return bias == null
        ? Script.call("lora", y, x, a, b, scale)
        : Script.call("lora_bias", y, x, a, b, bias, scale);
  }

  /** LoRA on a table: {@code y + scale · (Aᵀ)[ids] Bᵀ}, a [r, rows], b [dim, r]. */
  public static NDArray loraEmbedding(NDArray ids, NDArray y, NDArray a, NDArray b, NDArray scale) {
    return Script.call("lora_embedding", ids, y, a, b, scale);
  }

  /**
   * DoRA: {@code y + (f - 1) · base + f · scale · (x Aᵀ) Bᵀ}, where f [out] is the magnitude over
   * the length of each row of {@code W + scale · B A}.
   *
   * @param base {@code x Wᵀ} [.., out]
   * @param magnitude [out]
   * @param squares squared lengths of W's rows [out]
   * @param aw {@code A Wᵀ} [r, out]
   */
  public static NDArray dora(
      NDArray y,
      NDArray base,
      NDArray x,
      NDArray a,
      NDArray b,
      NDArray scale,
      NDArray magnitude,
      NDArray squares,
      NDArray aw) {
    return Script.call("dora", y, base, x, a, b, scale, magnitude, squares, aw);
  }

  /**
   * DoRA where all of the output so far is what the magnitude scales: {@code f · (y - bias + scale
   * · (x Aᵀ) Bᵀ) + bias}.
   *
   * @param bias in {@code y} [out], or null
   */
  public static NDArray doraWhole(
      NDArray y,
      NDArray x,
      NDArray a,
      NDArray b,
      NDArray scale,
      NDArray magnitude,
      NDArray squares,
      NDArray aw,
      NDArray bias) {
    return bias == null
        ? Script.call("dora_whole", y, x, a, b, scale, magnitude, squares, aw)
        : Script.call("dora_whole_bias", y, x, a, b, scale, magnitude, squares, aw, bias);
  }

  /**
   * DoRA on a table [rows, dim], with a magnitude for each column: {@code f · (y + scale ·
   * (Aᵀ)[ids] Bᵀ)}.
   */
  public static NDArray doraEmbedding(
      NDArray ids,
      NDArray y,
      NDArray a,
      NDArray b,
      NDArray scale,
      NDArray magnitude,
      NDArray squares,
      NDArray table) {
    return Script.call("dora_embedding", ids, y, a, b, scale, magnitude, squares, table);
  }

  /**
   * LoRA with factors for each entry: {@code y + (x Aᵀ) Bᵀ}.
   *
   * @param x [n, l, in] or [n, in]
   * @param a [k, r, in]
   * @param b [k, out, r]
   * @param group int64 [n]: which of the k
   */
  public static NDArray routedLora(NDArray y, NDArray x, NDArray a, NDArray b, NDArray group) {
    return Script.call("routed_lora", y, x, a, b, group);
  }

  /**
   * A linear layer with a weight for each entry.
   *
   * @param x [n, l, in] or [n, in]
   * @param weight [k, out, in]
   * @param bias [k, out], or null
   * @param group int64 [n]: which of the k
   */
  public static NDArray routedLinear(NDArray x, NDArray weight, NDArray bias, NDArray group) {
    NDArray y = Script.call("routed_linear", x, weight, group);
    return bias == null ? y : Script.call("routed_bias", y, bias, group);
  }

  /** {@code x} [.., n] times {@code by}, whose n elements may have any shape. */
  public static NDArray scaled(NDArray x, NDArray by) {
    return Script.call("scaled", x, by);
  }

  /** {@code y + x Wᵀ}, the weight read in {@code x}'s type. */
  public static NDArray addLinear(NDArray y, NDArray x, NDArray weight) {
    return Script.call("add_linear", y, x, weight);
  }

  /**
   * VeRA: {@code y + b · B (d · A x)}, of A [r, at least in] and B [at least out, r] the part that
   * fits x [.., in] and y [.., out].
   */
  public static NDArray vera(NDArray y, NDArray x, NDArray a, NDArray b, NDArray d, NDArray scale) {
    return Script.call("vera", y, x, a, b, d, scale);
  }

  /** What {@link #vera} adds to a weight like {@code weight}. */
  public static NDArray veraDelta(NDArray weight, NDArray a, NDArray b, NDArray d, NDArray scale) {
    return Script.call("vera_delta", weight, a, b, d, scale);
  }

  /** {@code scale · (a1 b1) ⊙ (a2 b2)}, on {@code like}'s manager. */
  public static NDArray hadamard(
      NDArray like, NDArray a1, NDArray b1, NDArray a2, NDArray b2, NDArray scale) {
    return Script.call("hadamard", like, a1, b1, a2, b2, scale);
  }

  /**
   * {@code scale · first ⊗ second}, on {@code like}'s manager.
   *
   * @param first a matrix, or two whose product it is; likewise {@code second}
   */
  public static NDArray kron(NDArray like, NDArray[] first, NDArray[] second, NDArray scale) {
    return Script.call("kron", like, product(like, first), product(like, second), scale);
  }

  private static NDArray product(NDArray like, NDArray[] factors) {
    return factors.length == 1 ? factors[0] : Script.call("matmul", like, factors[0], factors[1]);
  }

  /** AdaLoRA: {@code y + scale · ((x (e ⊙ A)ᵀ) Bᵀ)}; a [r, in], e [r, 1], b [out, r]. */
  public static NDArray tripletLora(
      NDArray y, NDArray x, NDArray a, NDArray e, NDArray b, NDArray scale) {
    return Script.call("triplet_lora", y, x, a, e, b, scale);
  }

  /** What {@link #tripletLora} adds to a weight, on {@code like}'s manager. */
  public static NDArray tripletDelta(NDArray like, NDArray a, NDArray e, NDArray b, NDArray scale) {
    return Script.call("triplet_delta", like, a, e, b, scale);
  }

  /** {@return the Frobenius norm of {@code P Pᵀ - I}, or of {@code Pᵀ P - I}; 0-d} */
  public static NDArray orthogonality(NDArray p, boolean columns) {
    return Script.call(columns ? "column_orthogonality" : "orthogonality", p);
  }

  /**
   * Updates running means in place: of {@code |p · gradient|}, and of its deviation from that mean.
   *
   * @param hyper factor on the gradient, and the decays of the two means
   */
  public static void observeImportance(
      NDArray p, NDArray gradient, NDArray sensitivity, NDArray uncertainty, double[] hyper) {
    try (NDArray values = HostTensors.numbers(p.getManager(), hyper)) {
      Script.call("observe_importance", p, gradient, sensitivity, uncertainty, values).close();
    }
  }

  /**
   * {@return {@code y} [.., d] with row {@code k} of {@code rows} [n, d] wherever {@code ids} [..]
   * is {@code -1 - offset - k}}
   */
  public static NDArray virtualRows(NDArray ids, NDArray y, NDArray rows, int offset) {
    try (NDArray from = HostTensors.number(ids.getManager(), (long) offset)) {
      return Script.call("virtual_rows", ids, y, rows, from);
    }
  }

  /**
   * A bidirectional LSTM layer (Hochreiter and Schmidhuber, 1997).
   *
   * @param x [l, in]
   * @param weights of input and state [4 h, in] and [4 h, h], biases [4 h] and [4 h], and the same
   *     for the other direction
   * @return [l, 2 h]
   */
  public static NDArray lstm(NDArray x, NDArray[] weights) {
    NDArray[] all = new NDArray[1 + weights.length];
    all[0] = x;
    System.arraycopy(weights, 0, all, 1, weights.length);
    return Script.call("lstm", all);
  }

  /**
   * {@return in place of each row of {@code x} [r, l, n] the mean of those with its owner}
   *
   * @param owner int64 [r, l], 0 to {@code owners}
   */
  public static NDArray meanByOwner(NDArray x, NDArray owner, int owners) {
    try (NDArray n = HostTensors.number(x.getManager(), (long) owners)) {
      return Script.call("mean_by_owner", x, owner, n);
    }
  }

  /** {@return products of {@code q} [.., h] with each of {@code all} [.., n, h]; [.., n]} */
  public static NDArray fusionScores(NDArray all, NDArray q) {
    return Script.call("fusion_scores", all, q);
  }

  /** {@return the mean of {@code all} [.., n, h], weighed by the softmax of {@code scores}} */
  public static NDArray fusionContext(NDArray scores, NDArray all) {
    return Script.call("fusion_context", scores, all);
  }
}
