package io.peft4j.train;

import io.peft4j.model.Model;
import java.util.Map;

/** Held-out examples. */
public interface EvaluationSet {

  /**
   * @param batchSize examples in one pass
   * @return metrics by name, {@code loss} among them
   */
  Map<String, Double> evaluate(Model model, int batchSize);
}
