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
   * {@return a classifier's logits as probabilities}: their softmax where one class applies, the
   * sigmoid of each where any number may
   *
   * @throws IllegalStateException for regression, whose logits are the answer
   */
  public double[] probabilities(float[] logits) {
    if (this == REGRESSION) {
      throw new IllegalStateException("a regression's numbers have no probabilities");
    }
    double[] values = new double[logits.length];
    double max = Double.NEGATIVE_INFINITY;
    for (float logit : logits) {
      max = Math.max(max, logit);
    }
    double sum = 0;
    for (int i = 0; i < values.length; i++) {
      values[i] = this == MULTI_LABEL ? 1 / (1 + Math.exp(-logits[i])) : Math.exp(logits[i] - max);
      sum += values[i];
    }
    for (int i = 0; this == SINGLE_LABEL && i < values.length; i++) {
      values[i] /= sum;
    }
    return values;
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
