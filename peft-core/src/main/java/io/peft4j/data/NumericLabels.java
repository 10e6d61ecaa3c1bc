package io.peft4j.data;

import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/** Tells labels that may be quantities from labels that are classes with numbers for names. */
public final class NumericLabels {

  /** More different whole numbers than this may be a scale as well as classes. */
  public static final int CLASSES = 20;

  private NumericLabels() {}

  /**
   * {@return what makes the labels look like quantities}: all of them are numbers, and one is not
   * whole or there are more than {@value #CLASSES} different ones; empty for classes
   */
  public static Optional<String> quantities(List<Example> examples) {
    Set<Float> different = new HashSet<>();
    String broken = null;
    for (Example example : examples) {
      Float number = example.label() == null ? null : NumberRows.number(example.label());
      if (number == null) {
        return Optional.empty();
      }
      different.add(number);
      if (broken == null && number != Math.rint(number)) {
        broken = example.label();
      }
    }
    if (broken != null) {
      return Optional.of("numbers such as " + broken);
    }
    return different.size() > CLASSES
        ? Optional.of(different.size() + " different numbers")
        : Optional.empty();
  }
}
