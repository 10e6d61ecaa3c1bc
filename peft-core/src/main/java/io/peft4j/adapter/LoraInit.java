package io.peft4j.adapter;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.BooleanNode;
import com.fasterxml.jackson.databind.node.TextNode;

/** How LoRA's factors start: the values of {@code init_lora_weights}. */
public enum LoraInit {
  /** {@code true}: A uniform in ±1/√in, B zero, so that training starts from the base model. */
  DEFAULT,
  /** {@code false}: A and B both random; for tests. */
  RANDOM,
  /** {@code "gaussian"}: A from N(0, 1/r²), B zero. */
  GAUSSIAN,
  /**
   * {@code "pissa"}: principal singular vectors of W, which is reduced by them (Meng et al., 2024).
   */
  PISSA,
  /** {@code "olora"}: orthonormal factors of W, which is reduced by them (Büyükakyüz, 2024). */
  OLORA,
  /**
   * {@code "loftq"}: principal singular vectors of what quantization took from W, so that training
   * starts nearer to the dense model (Li et al., 2023, one iteration, where the base stays as it
   * is). An adapter built so is saved with {@code true}.
   */
  LOFTQ;

  /** {@return whether the base weight is replaced by what the factors leave of it} */
  boolean takesFromBase() {
    return this == PISSA || this == OLORA;
  }

  JsonNode toJson() {
    return switch (this) {
      case DEFAULT -> BooleanNode.TRUE;
      case RANDOM -> BooleanNode.FALSE;
      case GAUSSIAN -> TextNode.valueOf("gaussian");
      case PISSA -> TextNode.valueOf("pissa");
      case OLORA -> TextNode.valueOf("olora");
      case LOFTQ -> TextNode.valueOf("loftq");
    };
  }

  /**
   * @param node null for the default
   * @throws IllegalArgumentException if it is no initialization known here
   */
  static LoraInit ofJson(JsonNode node) {
    if (node == null) {
      return DEFAULT;
    }
    for (LoraInit init : values()) {
      if (init.toJson().equals(node)) {
        return init;
      }
    }
    // The randomized SVD is an approximation of the one used here.
    if (node.isTextual() && node.asText().matches("pissa_niter_\\d+")) {
      return PISSA;
    }
    throw new IllegalArgumentException(
        "'init_lora_weights': expected true, false, gaussian, pissa, olora or loftq, found "
            + node);
  }
}
