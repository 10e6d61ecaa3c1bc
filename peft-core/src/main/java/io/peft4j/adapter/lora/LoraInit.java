package io.peft4j.adapter.lora;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.BooleanNode;
import com.fasterxml.jackson.databind.node.TextNode;
import java.util.Locale;

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
  LOFTQ,
  /** {@code "eva"}: A of what the base's layers read (Paischer et al., 2024). Trained ones only. */
  EVA,
  /** {@code "orthogonal"}: A and B random, with B A of zero. Trained ones only. */
  ORTHOGONAL,
  /** {@code "mica"}: B of the base's minor singular vectors, and frozen. Trained ones only. */
  MICA,
  /**
   * {@code "lora_ga"}: from the base's gradients (Wang et al., 2024). Trained ones only; where they
   * are loaded, peft leaves the base as it is, although the start had taken something from it.
   */
  LORA_GA;

  /**
   * {@return whether there are only trained adapters of this start here, and no new ones} Its
   * factors are then like any others.
   */
  public boolean onlyTrained() {
    return this == EVA || this == ORTHOGONAL || this == MICA || this == LORA_GA;
  }

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
      case LOFTQ, EVA, ORTHOGONAL, MICA, LORA_GA ->
          TextNode.valueOf(name().toLowerCase(Locale.ROOT));
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
      boolean anyCase = init == OLORA || init == GAUSSIAN || init == MICA; // as in peft
      JsonNode own = init.toJson();
      if (own.equals(node) || (anyCase && own.asText().equalsIgnoreCase(node.asText()))) {
        return init;
      }
    }
    if (node.isTextual() && node.asText().startsWith("corda")) {
      throw new IllegalArgumentException(
          "'init_lora_weights': corda took from the base's weights what this folder does not hold,"
              + " so that peft cannot load it either; in Python, save it as plain LoRA with"
              + " save_pretrained(…, path_initial_model_for_weight_conversion=…)");
    }
    // The randomized SVD is an approximation of the one used here.
    if (node.isTextual() && node.asText().matches("pissa_niter_\\d+")) {
      return PISSA;
    }
    throw new IllegalArgumentException(
        "'init_lora_weights': expected true, false, gaussian, pissa, olora, loftq, or of a trained"
            + " adapter eva, orthogonal, mica, lora_ga, found "
            + node);
  }
}
