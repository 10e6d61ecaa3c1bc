package io.peft4j.adapter.target;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/**
 * Which modules a config adapts and which it trains in full: the part that peft's configs have in
 * common.
 */
public final class Targets {

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

  private final ModuleSelector targetModules;
  private final ModuleSelector excludeModules;
  private final List<String> modulesToSave;
  private final List<Integer> layersToTransform;
  private final List<String> layersPattern;
  private final String taskType;

  /**
   * @throws IllegalArgumentException if values contradict each other, as in peft
   */
  private Targets(
      ModuleSelector targetModules,
      ModuleSelector excludeModules,
      List<String> modulesToSave,
      List<Integer> layersToTransform,
      List<String> layersPattern,
      String taskType) {
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
    this.targetModules = targetModules;
    this.excludeModules = excludeModules;
    this.modulesToSave = modulesToSave;
    this.layersToTransform = layersToTransform;
    this.layersPattern = layersPattern;
    this.taskType = taskType;
  }

  /** {@return what is adapted; null before the family's default is taken} */
  public ModuleSelector targetModules() {
    return targetModules;
  }

  /** {@return what is not, although targeted; may be null} */
  public ModuleSelector excludeModules() {
    return excludeModules;
  }

  /** {@return modules trained and saved in full; null for none} */
  public List<String> modulesToSave() {
    return modulesToSave;
  }

  /** {@return numbers of the layers to adapt; null for all} */
  public List<Integer> layersToTransform() {
    return layersToTransform;
  }

  /** {@return names of the lists that the layers are numbered in; null for any} */
  public List<String> layersPattern() {
    return layersPattern;
  }

  /** {@return peft's, such as {@code SEQ_CLS}; may be null} */
  public String taskType() {
    return taskType;
  }

  /** {@return a builder in which all is null} */
  public static Builder builder() {
    return new Builder();
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

  private List<Object> values() {
    return Arrays.asList(
        targetModules, excludeModules, modulesToSave, layersToTransform, layersPattern, taskType);
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Targets that && values().equals(that.values());
  }

  @Override
  public int hashCode() {
    return values().hashCode();
  }

  @Override
  public String toString() {
    return "Targets" + values();
  }

  /** Builds {@link Targets}; what is not said is null. */
  public static final class Builder {
    private ModuleSelector targetModules;
    private ModuleSelector excludeModules;
    private List<String> modulesToSave;
    private List<Integer> layersToTransform;
    private List<String> layersPattern;
    private String taskType;

    private Builder() {}

    public Builder targetModules(ModuleSelector value) {
      targetModules = value;
      return this;
    }

    public Builder excludeModules(ModuleSelector value) {
      excludeModules = value;
      return this;
    }

    public Builder modulesToSave(List<String> value) {
      modulesToSave = value;
      return this;
    }

    public Builder layersToTransform(List<Integer> value) {
      layersToTransform = value;
      return this;
    }

    public Builder layersPattern(List<String> value) {
      layersPattern = value;
      return this;
    }

    public Builder taskType(String value) {
      taskType = value;
      return this;
    }

    /**
     * @throws IllegalArgumentException if values contradict each other, as in peft
     */
    public Targets build() {
      return new Targets(
          targetModules, excludeModules, modulesToSave, layersToTransform, layersPattern, taskType);
    }
  }
}
