package io.peft4j.adapter.target;

import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/**
 * Which modules a config adapts and which it trains in full: the part that peft's configs have in
 * common.
 *
 * @param targetModules what is adapted; null before the family's default is taken
 * @param excludeModules what is not, although targeted; may be null
 * @param modulesToSave modules trained and saved in full; null for none
 * @param layersToTransform numbers of the layers to adapt; null for all
 * @param layersPattern names of the lists that the layers are numbered in; null for any
 * @param taskType peft's, such as {@code SEQ_CLS}; may be null
 */
public record Targets(
    ModuleSelector targetModules,
    ModuleSelector excludeModules,
    List<String> modulesToSave,
    List<Integer> layersToTransform,
    List<String> layersPattern,
    String taskType) {

  private static final List<String> CLASSIFIERS = List.of("classifier", "score");

  /** What peft saves in full with a head, whichever of them the model has. */
  private static final Map<String, List<String>> HEADS =
      Map.of(
          "SEQ_CLS", CLASSIFIERS,
          "TOKEN_CLS", CLASSIFIERS,
          "QUESTION_ANS", List.of("qa_outputs"));

  /** The task types that peft knows. */
  public static final Set<String> TASK_TYPES =
      Set.of(
          "SEQ_CLS",
          "SEQ_2_SEQ_LM",
          "CAUSAL_LM",
          "TOKEN_CLS",
          "QUESTION_ANS",
          "FEATURE_EXTRACTION");

  /**
   * @throws IllegalArgumentException if values contradict each other, as in peft
   */
  public Targets {
    check(
        taskType == null || TASK_TYPES.contains(taskType),
        "'task_type': expected one of " + new TreeSet<>(TASK_TYPES) + ", found " + taskType);
    boolean expression = targetModules != null && targetModules.regex() != null;
    check(
        !(expression && layersToTransform != null),
        "layers_to_transform goes with a list of target_modules, not with an expression");
    check(
        !(expression && layersPattern != null && !layersPattern.isEmpty()),
        "layers_pattern goes with a list of target_modules, not with an expression");
    check(
        layersPattern == null || layersPattern.isEmpty() || layersToTransform != null,
        "layers_pattern goes with layers_to_transform, which is missing");
  }

  private static void check(boolean condition, String message) {
    if (!condition) {
      throw new IllegalArgumentException(message);
    }
  }

  /** {@return what a head of this task type may be called; empty for one that is not trained} */
  public List<String> heads() {
    return taskType == null ? List.of() : HEADS.getOrDefault(taskType, List.of());
  }

  /** {@return {@code modulesToSave} with the heads that the task type may have} */
  public List<String> savedWithHead() {
    if (heads().isEmpty()) {
      return modulesToSave;
    }
    Set<String> saved = new LinkedHashSet<>();
    if (modulesToSave != null) {
      saved.addAll(modulesToSave);
    }
    saved.addAll(heads());
    return new ArrayList<>(saved);
  }
}
