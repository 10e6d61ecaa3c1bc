package io.peft4j.model.head;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.DataType;
import io.peft4j.model.chain.Loss;
import io.peft4j.model.chain.SegmentChain;
import io.peft4j.model.module.Module;
import io.peft4j.model.module.Pass;
import io.peft4j.torch.Autograd;
import io.peft4j.torch.TrainingOps;
import java.util.List;

/**
 * A loss of a head's logits, which exist all at once.
 *
 * @param loss null for the sum of the cross entropies of the tokens' labels
 */
record HeadTop(Head head, Loss loss) implements SegmentChain.Top {

  @Override
  public SegmentChain.Differentiated differentiate(NDArray states, Pass pass, double scale) {
    NDArray top = Autograd.leaf(states);
    try (Autograd.Mode mode = Autograd.record()) {
      NDArray logits = head.logits(top, pass);
      NDArray scalar =
          loss == null ? TrainingOps.crossEntropy(logits, pass.batch().targets()) : loss.of(logits);
      double value = scalar.toType(DataType.FLOAT64, false).getDouble();
      Autograd.backward(scalar, scalar.onesLike().mul(scale));
      return new SegmentChain.Differentiated(value, Autograd.gradient(top));
    }
  }

  @Override
  public List<Module> modules() {
    return head.outputEmbedding().<List<Module>>map(List::of).orElse(List.of());
  }

  @Override
  public boolean trainable() {
    return modules().stream().anyMatch(Module::trainable);
  }
}
