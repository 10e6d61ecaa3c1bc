package io.peft4j.train.optimizer;

/**
 * What a step of AdamW is made with.
 *
 * @param rate the learning rate
 * @param beta1 decay of the first moment
 * @param beta2 decay of the second moment
 * @param epsilon added to the root of the second moment
 * @param weightDecay decoupled
 * @param step this one's number, from 1
 * @param gradientScale factor on the gradient, below 1 where it is clipped
 */
public record AdamStep(
    double rate,
    double beta1,
    double beta2,
    double epsilon,
    double weightDecay,
    int step,
    double gradientScale) {

  /** {@return what {@link io.peft4j.torch.TrainingOps#adamw} takes} */
  double[] hyper() {
    return new double[] {
      rate,
      beta1,
      beta2,
      epsilon,
      weightDecay,
      1 - Math.pow(beta1, step),
      Math.sqrt(1 - Math.pow(beta2, step)),
      gradientScale
    };
  }
}
