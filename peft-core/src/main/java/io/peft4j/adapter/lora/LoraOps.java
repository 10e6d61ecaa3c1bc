package io.peft4j.adapter.lora;

import ai.djl.ndarray.NDArray;
import io.peft4j.torch.Script;

/** What LoRA and DoRA compute, each in one call. */
final class LoraOps {

  private static final Script SCRIPT = Script.of(LoraOps.class, "lora.py");

  private LoraOps() {}

  /**
   * LoRA: {@code y + scale · ((x Aᵀ) Bᵀ + bias)}. x [.., in], y [.., out], a [r, in], b [out, r],
   * bias [out] or null; the factors are read in {@code x}'s type. May be computed in {@code y}'s
   * place, which therefore no operation may have kept for its gradient.
   */
  static NDArray lora(NDArray y, NDArray x, NDArray a, NDArray b, NDArray bias, NDArray scale) {
    return bias == null
        ? SCRIPT.call("lora", y, x, a, b, scale)
        : SCRIPT.call("lora_bias", y, x, a, b, bias, scale);
  }

  /** LoRA on a table: {@code y + scale · (Aᵀ)[ids] Bᵀ}, a [r, rows], b [dim, r]. */
  static NDArray loraEmbedding(NDArray ids, NDArray y, NDArray a, NDArray b, NDArray scale) {
    return SCRIPT.call("lora_embedding", ids, y, a, b, scale);
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
  static NDArray dora(
      NDArray y,
      NDArray base,
      NDArray x,
      NDArray a,
      NDArray b,
      NDArray scale,
      NDArray magnitude,
      NDArray squares,
      NDArray aw) {
    return SCRIPT.call("dora", y, base, x, a, b, scale, magnitude, squares, aw);
  }

  /**
   * DoRA where all of the output so far is what the magnitude scales: {@code f · (y - bias + scale
   * · (x Aᵀ) Bᵀ) + bias}.
   *
   * @param bias in {@code y} [out], or null
   */
  static NDArray doraWhole(
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
        ? SCRIPT.call("dora_whole", y, x, a, b, scale, magnitude, squares, aw)
        : SCRIPT.call("dora_whole_bias", y, x, a, b, scale, magnitude, squares, aw, bias);
  }

  /**
   * DoRA on a table [rows, dim], with a magnitude for each column: {@code f · (y + scale ·
   * (Aᵀ)[ids] Bᵀ)}.
   */
  static NDArray doraEmbedding(
      NDArray ids,
      NDArray y,
      NDArray a,
      NDArray b,
      NDArray scale,
      NDArray magnitude,
      NDArray squares,
      NDArray table) {
    return SCRIPT.call("dora_embedding", ids, y, a, b, scale, magnitude, squares, table);
  }

  /**
   * LoRA with factors for each entry: {@code y + (x Aᵀ) Bᵀ}.
   *
   * @param x [n, l, in] or [n, in]
   * @param a [k, r, in]
   * @param b [k, out, r]
   * @param group int64 [n]: which of the k
   */
  static NDArray routedLora(NDArray y, NDArray x, NDArray a, NDArray b, NDArray group) {
    return SCRIPT.call("routed_lora", y, x, a, b, group);
  }

  /**
   * A linear layer with a weight for each entry.
   *
   * @param x [n, l, in] or [n, in]
   * @param weight [k, out, in]
   * @param bias [k, out], or null
   * @param group int64 [n]: which of the k
   */
  static NDArray routedLinear(NDArray x, NDArray weight, NDArray bias, NDArray group) {
    NDArray y = SCRIPT.call("routed_linear", x, weight, group);
    return bias == null ? y : SCRIPT.call("routed_bias", y, bias, group);
  }
}
