package io.peft4j.model.chain;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.DataType;
import io.peft4j.model.module.Pass;
import io.peft4j.torch.Autograd;

/** A loss of the last segment's output as it is. */
public record LossTop(Loss loss) implements SegmentChain.Top {

  @Override
  public SegmentChain.Differentiated differentiate(NDArray output, Pass pass, double scale) {
    NDArray top = Autograd.leaf(output);
    try (Autograd.Mode mode = Autograd.record()) {
      NDArray scalar = loss.of(top);
      double value = scalar.toType(DataType.FLOAT64, false).getDouble();
      Autograd.backward(scalar, scalar.onesLike().mul(scale));
      return new SegmentChain.Differentiated(value, Autograd.gradient(top));
    }
  }
}
