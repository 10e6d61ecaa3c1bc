package io.peft4j.train.report;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * One evaluation on held-out examples.
 *
 * @param step optimizer steps done before it
 * @param epoch passes over the training examples done, as a fraction
 * @param metrics values by plain name ({@code loss}, {@code accuracy}, {@code f1}), kept in order;
 *     the listeners put {@code eval_} or {@code eval/} in front
 */
public record EvalReport(int step, double epoch, Map<String, Double> metrics) {

  /** Copies the metrics. */
  public EvalReport {
    metrics = Collections.unmodifiableMap(new LinkedHashMap<>(metrics));
  }
}
