package io.peft4j.adapter.prompt;

import ai.djl.ndarray.NDArray;
import io.peft4j.adapter.method.AdapterBuilder;
import io.peft4j.torch.Ops;

/**
 * A linear layer of an adapter's own.
 *
 * @param weight [out, in]
 * @param bias [out]
 */
public record TrainedLinear(NDArray weight, NDArray bias) {

  /** As torch initializes it: uniform in ±1/√in. */
  public static TrainedLinear of(AdapterBuilder builder, String name, long out, long in) {
    double bound = 1 / Math.sqrt(in);
    var random = builder.random(name + ".bias");
    return new TrainedLinear(
        builder.kaiming(name + ".weight", out, in),
        builder.drawn(name + ".bias", () -> (2 * random.nextDouble() - 1) * bound, out));
  }

  /**
   * @param x [.., in]
   * @return [.., out], in {@code x}'s type
   */
  public NDArray forward(NDArray x) {
    return Ops.linear(x, Ops.typedLike(x, weight), Ops.typedLike(x, bias));
  }
}
