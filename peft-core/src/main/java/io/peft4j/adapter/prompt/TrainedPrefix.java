package io.peft4j.adapter.prompt;

import ai.djl.ndarray.NDArray;
import io.peft4j.adapter.method.AdapterBuilder;
import io.peft4j.model.module.AttentionPrefix;
import io.peft4j.model.module.Kept;
import io.peft4j.model.module.LayerSites;
import io.peft4j.model.module.Pass;
import io.peft4j.torch.Ops;
import java.util.List;
import java.util.function.UnaryOperator;

/**
 * Keys and values before those of each layer: a table [tokens, layers · 2 · width], of each layer
 * the keys, then the values.
 *
 * @param trained one of the trained tensors
 * @param gates of each layer [1 or 2, hidden]: the mean of sigmoid(w x + b) over an example's
 *     tokens is what its keys (the first) and values (the last) are multiplied with; empty for none
 */
public record TrainedPrefix(
    int length, long width, NDArray trained, Table table, List<TrainedLinear> gates)
    implements AttentionPrefix {

  /** Gives some columns of the table, in {@code like}'s type and on its manager. */
  public interface Table {
    NDArray columns(NDArray like, long from, long count);

    /** {@return how many float32 elements the graph of some columns keeps} */
    long kept();
  }

  /** A table that is trained itself. */
  record Whole(NDArray table) implements Table {
    @Override
    public NDArray columns(NDArray like, long from, long count) {
      return Ops.columns(like, table, from, count);
    }

    @Override
    public long kept() {
      return 0;
    }
  }

  /** A table that a network makes: {@code W₂ f(W₁ e + b₁) + b₂}. */
  public record Projected(
      NDArray start, TrainedLinear first, TrainedLinear second, UnaryOperator<NDArray> activation)
      implements Table {
    @Override
    public NDArray columns(NDArray like, long from, long count) {
      NDArray hidden = activation.apply(first.forward(Ops.borrowed(like, start)));
      NDArray weight = Ops.rowRange(hidden, second.weight(), from, count);
      NDArray bias = Ops.rowRange(hidden, second.bias(), from, count);
      return Ops.typedLike(like, Ops.linear(hidden, weight, bias));
    }

    /** What the activation reads, and what it gives. */
    @Override
    public long kept() {
      return 2 * start.getShape().get(0) * first.bias().size();
    }
  }

  /** Puts it on every layer while the adapter is active. */
  public void attach(AdapterBuilder builder) {
    for (LayerSites sites : builder.model().sites()) {
      builder.attach(sites.attention().name(), () -> sites.add(this), () -> sites.remove(this));
    }
  }

  @Override
  public NDArray keys(int layer, NDArray like) {
    return table.columns(like, 2 * layer * width, width);
  }

  @Override
  public NDArray values(int layer, NDArray like) {
    return table.columns(like, (2 * layer + 1) * width, width);
  }

  @Override
  public NDArray gate(int layer, NDArray x, Pass pass) {
    return gates.isEmpty() ? null : pass.meanOfExample(Ops.sigmoid(gates.get(layer).forward(x)));
  }

  /** Keys, values and what makes them; of gates what a token's is made of. */
  @Override
  public Kept kept() {
    return new Kept(gates.isEmpty() ? 0 : 4, 2 * length * width, 2 * table.kept());
  }

  @Override
  public boolean trainable() {
    return trained.hasGradient();
  }
}
