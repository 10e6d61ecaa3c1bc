package io.peft4j.train;

import java.util.function.DoubleUnaryOperator;

/**
 * A rate that rises to its peak, and from there on depends on how far the rest of the run is.
 *
 * @param warmsUp whether it rises; else it starts at its peak
 * @param factor of the progress from 0 to 1
 */
record Decay(String name, boolean warmsUp, DoubleUnaryOperator factor) implements Schedule {

  @Override
  public double factor(int step, int warmupSteps, int totalSteps) {
    int rise = warmsUp ? warmupSteps : 0;
    if (step < rise) {
      return (double) step / Math.max(1, rise);
    }
    return factor.applyAsDouble((double) (step - rise) / Math.max(1, totalSteps - rise));
  }

  @Override
  public String toString() {
    return name;
  }
}
