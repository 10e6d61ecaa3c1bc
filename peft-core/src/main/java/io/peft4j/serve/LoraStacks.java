package io.peft4j.serve;

import ai.djl.ndarray.NDManager;
import io.peft4j.adapter.method.Adapter;
import io.peft4j.model.Model;
import io.peft4j.model.module.Linear;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;

/**
 * The LoRA factors of adapters that run together, for all linear layers that any of them adapts, at
 * numbered places: rows of a batch, or numbers that adapters have been given.
 */
final class LoraStacks implements AutoCloseable {

  private final NDManager manager;
  private final Map<Linear, LoraStack> stacks = new IdentityHashMap<>();
  private final List<LoraStack> attached = new ArrayList<>();
  private int places;

  LoraStacks(Model model) {
    this.manager = model.manager().newSubManager();
  }

  /** {@return bytes of the stacks} */
  long bytes() {
    return stacks.values().stream().mapToLong(LoraStack::bytes).sum();
  }

  /**
   * @param adapter null for none
   */
  void put(int place, Adapter adapter) {
    places = Math.max(places, place + 1);
    if (adapter != null) {
      for (Linear linear : adapter.projections().keySet()) {
        stacks.computeIfAbsent(linear, added -> new LoraStack(added, manager));
      }
    }
    for (LoraStack stack : stacks.values()) {
      stack.put(place, places, adapter);
    }
  }

  /** Says that nobody reads a place until it is put to again. */
  void drop(int place) {
    stacks.values().forEach(stack -> stack.drop(place));
  }

  /** Puts what is at {@code from} to {@code to} too. */
  void move(int from, int to) {
    if (from != to) {
      stacks.values().forEach(stack -> stack.move(from, to));
    }
  }

  void swap(int one, int other) {
    if (one != other) {
      stacks.values().forEach(stack -> stack.swap(one, other));
    }
  }

  /** Lets the factors act in the model's next pass. */
  void attach(LoraStack.Selection rows) {
    for (LoraStack stack : stacks.values()) {
      if (stack.select(rows)) {
        stack.linear().add(stack);
        attached.add(stack);
      }
    }
  }

  /** Ends what {@link #attach} began. */
  void detach() {
    attached.forEach(stack -> stack.linear().remove(stack));
    attached.clear();
  }

  @Override
  public void close() {
    manager.close();
    stacks.clear();
  }
}
