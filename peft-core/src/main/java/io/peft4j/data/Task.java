package io.peft4j.data;

/** What a label says; the three problem types of Hugging Face's sequence classification. */
public enum Task {
  /** One class out of several. */
  SINGLE_LABEL("single_label_classification"),
  /** Any number of classes. */
  MULTI_LABEL("multi_label_classification"),
  /** A number. */
  REGRESSION("regression");

  private final String problemType;

  Task(String problemType) {
    this.problemType = problemType;
  }

  /** The value of {@code problem_type} in {@code config.json}. */
  public String problemType() {
    return problemType;
  }

  /**
   * The task that {@code problem_type} names.
   *
   * @throws IllegalArgumentException if it names none
   */
  public static Task ofProblemType(String problemType) {
    for (Task task : values()) {
      if (task.problemType.equals(problemType)) {
        return task;
      }
    }
    throw new IllegalArgumentException(
        "problem_type '"
            + problemType
            + "' is none of single_label_classification, multi_label_classification, regression");
  }
}
