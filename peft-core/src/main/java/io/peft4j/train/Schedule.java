package io.peft4j.train;

/** How the learning rate moves over a run; transformers' definitions and names. */
public enum Schedule {
  /** After warm-up, straight down to zero. */
  LINEAR {
    @Override
    double decay(double progress) {
      return Math.max(0, 1 - progress);
    }
  },
  /** After warm-up, half a cosine down to zero. */
  COSINE {
    @Override
    double decay(double progress) {
      return Math.max(0, 0.5 * (1 + Math.cos(Math.PI * progress)));
    }
  },
  /** Unchanged, without warm-up. */
  CONSTANT {
    @Override
    public double factor(int step, int warmupSteps, int totalSteps) {
      return 1;
    }

    @Override
    double decay(double progress) {
      return 1;
    }
  },
  /** After warm-up, unchanged. */
  CONSTANT_WITH_WARMUP {
    @Override
    double decay(double progress) {
      return 1;
    }
  };

  abstract double decay(double progress);

  /**
   * The factor on the peak rate.
   *
   * @param step optimizer steps done before, from 0
   * @param warmupSteps steps over which the factor rises from 0 to 1
   * @param totalSteps steps of the run
   */
  public double factor(int step, int warmupSteps, int totalSteps) {
    if (step < warmupSteps) {
      return (double) step / Math.max(1, warmupSteps);
    }
    return decay((double) (step - warmupSteps) / Math.max(1, totalSteps - warmupSteps));
  }
}
