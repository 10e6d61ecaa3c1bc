package io.peft4j.serve;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.peft4j.adapter.method.Adapter;
import io.peft4j.model.Model;
import io.peft4j.model.module.Kept;
import io.peft4j.model.module.Linear;
import io.peft4j.model.module.Parameter;
import io.peft4j.model.module.Pass;
import io.peft4j.model.module.ProjectionAdapter;
import io.peft4j.torch.HostTensors;
import io.peft4j.torch.Ops;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;

/**
 * Whole layers that adapters bring in place of the base's, at the places that {@link LoraStacks}
 * has their factors at: [places, out, in + 1], the bias last. Adapters may have different numbers
 * of outputs; the rest of a row is zeros.
 */
final class HeadStacks implements AutoCloseable {

  private final Model model;
  private final NDManager manager;
  private final Map<Linear, Stack> stacks = new IdentityHashMap<>();
  private final List<Adapter> occupants = new ArrayList<>();
  private final List<Stack> attached = new ArrayList<>();

  HeadStacks(Model model) {
    this.model = model;
    this.manager = model.manager().newSubManager();
  }

  /** {@return the linear layers that {@code adapter} replaces in full} */
  static List<Linear> replaced(Model model, Adapter adapter) {
    return model.modules().leaves().stream()
        .filter(Linear.class::isInstance)
        .map(Linear.class::cast)
        .filter(linear -> linear.weight() != null)
        .filter(linear -> linear.parameters().stream().anyMatch(adapter.overlays()::containsKey))
        .toList();
  }

  /**
   * @param adapter null for none
   */
  void put(int place, Adapter adapter) {
    while (occupants.size() <= place) {
      occupants.add(null);
    }
    occupants.set(place, adapter);
    if (adapter != null) {
      for (Linear linear : replaced(model, adapter)) {
        stacks.computeIfAbsent(linear, Stack::new);
      }
    }
    for (Stack stack : stacks.values()) {
      if (place < stack.filled) {
        stack.put(place, adapter);
      }
      // one that has just been made has nothing at the other places yet
      while (stack.filled < occupants.size()) {
        stack.put(stack.filled, occupants.get(stack.filled));
      }
    }
  }

  /**
   * Lets them act in the model's next pass.
   *
   * @param places of the pass's rows
   */
  void attach(int[] places) {
    for (Stack stack : stacks.values()) {
      if (Arrays.stream(places).anyMatch(stack::replaces)) {
        stack.linear.add(stack);
        attached.add(stack);
      }
    }
  }

  void detach() {
    attached.forEach(stack -> stack.linear.remove(stack));
    attached.clear();
  }

  @Override
  public void close() {
    manager.close();
    stacks.clear();
  }

  /** Of one layer. */
  private final class Stack implements ProjectionAdapter {
    private final Linear linear;
    private NDArray weights;
    private int filled;

    Stack(Linear linear) {
      this.linear = linear;
      weights = manager.zeros(new Shape(0, 0, linear.projection().in() + 1));
    }

    boolean replaces(int place) {
      Adapter adapter = occupants.get(place);
      return adapter != null
          && linear.parameters().stream().anyMatch(adapter.overlays()::containsKey);
    }

    void put(int place, Adapter adapter) {
      try (NDManager scope = manager.newSubManager()) {
        NDArray weight = value(linear.weight(), adapter, scope);
        Parameter own = linear.projection().bias();
        long out = weight.getShape().get(0);
        NDArray bias = own == null ? scope.zeros(new Shape(out)) : value(own, adapter, scope);
        Shape shape = weights.getShape();
        if (place >= shape.get(0) || out > shape.get(1)) {
          try (NDArray old = weights) {
            weights =
                StackOps.grown(
                    old,
                    manager,
                    Math.max(2 * place, occupants.size()) + 1L,
                    Math.max(out, shape.get(1)),
                    shape.get(2));
          }
        }
        StackOps.putWhole(weights, HostTensors.number(scope, (long) place), weight, bias);
      }
      filled = Math.max(filled, place + 1);
    }

    private NDArray value(Parameter parameter, Adapter adapter, NDManager scope) {
      NDArray own = adapter == null ? null : adapter.overlays().get(parameter);
      return Ops.wideCopy(own == null ? parameter.base() : own, scope);
    }

    @Override
    public NDArray output(NDArray x, NDArray y, Linear adapted, Pass pass) {
      NDArray typed = Ops.typedLike(x, weights);
      try {
        return StackOps.whole(x, typed, pass.groups(x));
      } finally {
        if (typed != weights) {
          typed.close();
        }
      }
    }

    @Override
    public boolean mergeable() {
      return false;
    }

    @Override
    public NDArray mergedWeight(NDArray weight, NDArray base, NDManager owner) {
      throw new IllegalArgumentException("several heads cannot be merged into one weight");
    }

    /** It is not trained. */
    @Override
    public Kept kept(long in, long out) {
      return Kept.NOTHING;
    }

    @Override
    public boolean trainable() {
      return false;
    }
  }
}
