package io.peft4j.adapter.lora;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import io.peft4j.torch.HostTensors;
import io.peft4j.torch.Ops;

/**
 * The two factors of an update, {@code scaling · B A}.
 *
 * @param a [r, in]
 * @param b [out, r]
 * @param bias [out] of B, or null
 * @param scale the scaling as a float64 scalar
 */
record LoraFactors(NDArray a, NDArray b, NDArray bias, NDArray scale) {

  LoraFactors(NDArray a, NDArray b, NDArray bias, double scaling, NDManager manager) {
    this(a, b, bias, HostTensors.number(manager, scaling));
  }

  double scaling() {
    return scale.getDouble();
  }

  /** {@return the factors of the transposed update, views on {@code scope}} */
  LoraFactors turned(NDManager scope) {
    NDArray turnedA = b.transpose();
    turnedA.attach(scope);
    NDArray turnedB = a.transpose();
    turnedB.attach(scope);
    return new LoraFactors(turnedA, turnedB, null, scale);
  }

  /** {@return scaling · B A [out, in], float32 on {@code scope}} */
  NDArray delta(NDManager scope) {
    try (NDArray product = b.matMul(a)) {
      NDArray delta = product.mul(scaling());
      delta.attach(scope);
      return delta;
    }
  }

  boolean trainable() {
    return a.hasGradient() || b.hasGradient();
  }

  /** Factors taken out of a weight, and what they leave: weight = residual + scaling · b a. */
  record Split(NDArray a, NDArray b, NDArray residual) {}

  /**
   * The r largest singular triples, their values split evenly (PiSSA, Meng et al., 2024).
   *
   * @param weight float32 [out, in]; results are on its manager
   */
  static Split pissa(NDArray weight, int rank, double scaling) {
    NDList svd = Ops.svd(weight);
    NDArray root = svd.get(1).get(":" + rank).div(scaling).sqrt();
    NDArray b = svd.get(0).get(":, :" + rank).mul(root);
    NDArray a = svd.get(2).get(":" + rank).mul(root.expandDims(1));
    return new Split(a, b, weight.sub(b.matMul(a).mul(scaling)));
  }

  /**
   * The first r columns of Q and rows of R of a QR decomposition (OLoRA, Büyükakyüz, 2024).
   *
   * @param weight float32 [out, in]; results are on its manager
   */
  static Split olora(NDArray weight, int rank, double scaling) {
    NDList qr = Ops.qr(weight);
    NDArray b = qr.get(0).get(":, :" + rank).duplicate();
    NDArray a = qr.get(1).get(":" + rank).duplicate();
    return new Split(a, b, weight.sub(b.matMul(a).mul(scaling)));
  }
}
