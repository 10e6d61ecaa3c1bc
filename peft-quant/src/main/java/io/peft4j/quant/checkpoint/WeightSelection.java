package io.peft4j.quant.checkpoint;

import io.peft4j.model.family.Families;
import io.peft4j.model.family.Family;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;

/** Which tensors of a checkpoint are quantized, by their Hugging Face names. */
public interface WeightSelection {

  /** What becomes of a tensor. */
  enum Choice {
    /** A linear layer's weight {@code [out, in]}: quantized. */
    QUANTIZE,
    /** A linear layer's weight stored {@code [in, out]} (GPT-2's Conv1D): transposed, quantized. */
    TRANSPOSE_AND_QUANTIZE,
    /** A linear layer that stays dense; it is named in {@code llm_int8_skip_modules}. */
    KEEP_LINEAR,
    /** Not a linear layer's weight. */
    KEEP;

    /** Whether the tensor is quantized. */
    public boolean quantizes() {
      return this == QUANTIZE || this == TRANSPOSE_AND_QUANTIZE;
    }
  }

  /**
   * The choice for one tensor.
   *
   * @param name such as {@code model.layers.0.mlp.up_proj.weight}
   * @param shape the tensor's shape
   */
  Choice choose(String name, List<Long> shape);

  /**
   * This, keeping more linear layers dense.
   *
   * @param modules names, or their ends after a dot, or what contains them
   */
  default WeightSelection keeping(List<String> modules) {
    return (name, shape) -> {
      Choice choice = choose(name, shape);
      String module = name.substring(0, Math.max(0, name.lastIndexOf('.')));
      boolean kept = modules.stream().anyMatch(kind -> names(kind, module));
      return kept && choice.quantizes() ? Choice.KEEP_LINEAR : choice;
    };
  }

  private static boolean names(String kind, String module) {
    return module.equals(kind)
        || module.startsWith(kind + ".")
        || module.endsWith("." + kind)
        || module.contains("." + kind + ".");
  }

  /**
   * Hugging Face's rule: linear layers but the output head. Heads of classifiers, which training
   * replaces, and routers of experts stay dense too.
   *
   * @param modelType {@code model_type} in {@code config.json}
   */
  static WeightSelection linearLayers(String modelType) {
    Set<String> heads =
        new HashSet<>(
            Set.of(
                "lm_head",
                "output_projection",
                "score",
                "classifier",
                "pre_classifier",
                "qa_outputs",
                "cls"));
    for (Family known : Families.all()) {
      // what checkpoints call them otherwise
      known.renamed().values().forEach(name -> heads.add(name.substring(0, name.indexOf('.'))));
    }
    Set<String> routers = Set.of("gate", "router", "shared_expert_gate");
    Set<String> tables = Set.of("wte", "wpe", "shared", "relative_attention_bias");
    Set<String> turned = turned(modelType);
    return (name, shape) -> {
      if (shape.size() != 2 || !name.endsWith(".weight")) {
        return Choice.KEEP;
      }
      List<String> path = List.of(name.split("\\."));
      String module = path.get(path.size() - 2).toLowerCase(Locale.ROOT);
      if (path.stream().anyMatch(heads::contains) || routers.contains(module)) {
        return Choice.KEEP_LINEAR;
      }
      boolean isTable = tables.contains(module) || module.contains("embed");
      if (isTable || path.contains("embeddings") || module.contains("norm")) {
        return Choice.KEEP;
      }
      return turned.contains(module) ? Choice.TRANSPOSE_AND_QUANTIZE : Choice.QUANTIZE;
    };
  }

  /** The first GPT, which no family here runs, has Conv1D as the second has. */
  private static Set<String> turned(String modelType) {
    if (modelType.equals("openai-gpt")) {
      return Families.any(Family::turned);
    }
    Family family = Families.find(modelType);
    return family == null ? Set.of() : family.turned();
  }
}
