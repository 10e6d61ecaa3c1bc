package org.example.loss;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import io.peft4j.train.LossFunction;

/**
 * Cross entropy with less weight on what the model is sure of already: (1 - p)^gamma (Lin et al.,
 * 2017).
 */
public record FocalLoss(int gamma) implements LossFunction {

  @Override
  public String name() {
    return "focal(gamma=" + gamma + ")";
  }

  @Override
  public NDArray of(NDArray logits, NDArray labels) {
    NDArray classes = labels.toType(DataType.INT64, false).reshape(new Shape(-1, 1));
    NDArray said = classes.gte(0).toType(DataType.FLOAT32, false);
    NDArray logProb = logits.logSoftmax(-1).gather(classes.maximum(0), 1);
    NDArray weight = logProb.exp().neg().add(1).pow(gamma);
    return weight.mul(logProb).mul(said).neg().sum();
  }
}
