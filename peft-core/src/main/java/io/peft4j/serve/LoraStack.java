package io.peft4j.serve;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.peft4j.adapter.lora.LoraConfig;
import io.peft4j.adapter.method.Adapter;
import io.peft4j.model.module.Kept;
import io.peft4j.model.module.Linear;
import io.peft4j.model.module.Pass;
import io.peft4j.model.module.ProjectionAdapter;
import io.peft4j.torch.HostTensors;
import io.peft4j.torch.Ops;
import io.peft4j.torch.Precision;
import java.util.Arrays;

/**
 * The LoRA factors that several adapters have for one linear layer, at numbered places: A [places,
 * R, in] and B [places, R, out], scaled, in the type that the model computes in. A place is written
 * when its adapter comes, and read by every pass until it goes: nothing is gathered for a pass
 * whose rows follow each other. Only ranks up to the largest of the pass are computed.
 */
final class LoraStack implements ProjectionAdapter {

  private final Linear linear;
  private final NDManager manager;
  private final NDArray like;
  private NDArray a;
  private NDArray b;
  private int[] ranks = {};

  /** Where there are other numbers than zeros. */
  private boolean[] written = {};

  private Selection selection;
  private NDArray range;
  private long[] ranged = {};

  /** The rows of a pass, and their places. */
  sealed interface Selection {}

  /**
   * Rows at places that follow each other.
   *
   * @param same whether all have the adapter of the first
   */
  record Rows(int first, int count, boolean same) implements Selection {}

  /** Rows that the batch's groups give the places of. */
  record Groups(int[] places) implements Selection {}

  /**
   * @param owner of the stacks
   */
  LoraStack(Linear linear, Precision precision, NDManager owner) {
    this.linear = linear;
    this.manager = owner.newSubManager();
    try (NDArray one = manager.create(0f)) {
      like = precision.cast(one);
      like.attach(manager);
    }
    a = empty(linear.projection().in());
    b = empty(linear.projection().out());
  }

  private NDArray empty(long width) {
    try (NDArray none = manager.zeros(new Shape(0, 0, width))) {
      NDArray typed = Ops.typedLike(like, none);
      NDArray kept = typed == none ? none.duplicate() : typed;
      kept.attach(manager);
      return kept;
    }
  }

  Linear linear() {
    return linear;
  }

  /** {@return bytes of the stacks} */
  long bytes() {
    return (a.size() + b.size()) * (Ops.isBfloat16(like) ? Short.BYTES : Float.BYTES);
  }

  /**
   * Writes an adapter's factors to a place.
   *
   * @param places how many there are at least
   * @param adapter null for none
   */
  void put(int place, int places, Adapter adapter) {
    NDArray factorA =
        adapter == null ? null : adapter.tensors().get(linear.name() + ".lora_A.weight");
    int rank = factorA == null ? 0 : (int) factorA.getShape().get(0);
    makeRoom(Math.max(places, place + 1), rank);
    try (NDArray at = HostTensors.number(manager, (long) place)) {
      if (rank == 0) {
        clear(place, at);
      } else {
        double scaling = ((LoraConfig) adapter.config()).scalingOf(linear.name());
        StackOps.put(a, at, factorA);
        try (NDArray scale = HostTensors.number(manager, scaling)) {
          NDArray factorB = adapter.tensors().get(linear.name() + ".lora_B.weight");
          StackOps.putScaled(b, at, factorB, scale);
        }
      }
    }
    ranks[place] = rank;
    written[place] |= rank > 0;
  }

  /** Says that nobody reads a place until it is put to again. */
  void drop(int place) {
    ranks[place] = 0;
  }

  private void clear(int place, NDArray at) {
    if (written[place]) {
      StackOps.clear(a, at);
      StackOps.clear(b, at);
      written[place] = false;
    }
  }

  private void makeRoom(int places, int rank) {
    long[] shape = a.getShape().getShape();
    if (places > ranks.length) {
      ranks = Arrays.copyOf(ranks, places);
      written = Arrays.copyOf(written, places);
    }
    if (ranks.length > shape[0] || rank > shape[1]) {
      long n = ranks.length > shape[0] ? Math.max(ranks.length, 2 * shape[0]) : shape[0];
      long r = Math.max(rank, shape[1]);
      a = larger(a, n, r);
      b = larger(b, n, r);
    }
  }

  private NDArray larger(NDArray stack, long places, long rank) {
    try (NDArray old = stack) {
      return StackOps.grown(like, old, manager, places, rank, old.getShape().get(2));
    }
  }

  /** Puts what is at {@code from} to {@code to} too. */
  void move(int from, int to) {
    try (NDArray start = HostTensors.number(manager, (long) from);
        NDArray end = HostTensors.number(manager, (long) to)) {
      if (ranks[from] == 0) {
        clear(to, end);
      } else {
        StackOps.move(a, start, end);
        StackOps.move(b, start, end);
        written[to] = true;
      }
    }
    ranks[to] = ranks[from];
  }

  void swap(int one, int other) {
    if (written[one] || written[other]) {
      try (NDArray first = HostTensors.number(manager, (long) one);
          NDArray second = HostTensors.number(manager, (long) other)) {
        StackOps.swap(a, first, second);
        StackOps.swap(b, first, second);
      }
      int rank = ranks[one];
      ranks[one] = ranks[other];
      ranks[other] = rank;
      boolean kept = written[one];
      written[one] = written[other];
      written[other] = kept;
    }
  }

  /** Says what the next pass is over; {@return whether any of its rows has factors here} */
  boolean select(Selection rows) {
    selection = rows;
    return rank() > 0;
  }

  private int rank() {
    if (selection instanceof Rows rows) {
      return Arrays.stream(ranks, rows.first, rows.first + rows.count).max().orElse(0);
    }
    int rank = 0;
    for (int place : ((Groups) selection).places) {
      rank = Math.max(rank, ranks[place]);
    }
    return rank;
  }

  @Override
  public NDArray output(NDArray x, NDArray y, Linear adapted, Pass pass) {
    if (selection instanceof Rows rows) {
      NDArray numbers = range(rows.first, rows.count, rank());
      return rows.same
          ? StackOps.byOne(y, x, a, b, numbers)
          : StackOps.byRow(y, x, a, b, numbers);
    }
    return StackOps.byGroup(y, x, a, b, pass.groups(x), range(0, 0, rank()));
  }

  /** The same from step to step, as long as nobody comes or goes. */
  private NDArray range(long... numbers) {
    if (!Arrays.equals(numbers, ranged)) {
      if (range != null) {
        range.close();
      }
      range = HostTensors.numbers(manager, numbers);
      ranged = numbers;
    }
    return range;
  }

  void close() {
    manager.close();
  }

  @Override
  public boolean mergeable() {
    return false;
  }

  @Override
  public NDArray mergedWeight(NDArray weight, NDArray base, NDManager owner) {
    throw new IllegalArgumentException("several adapters cannot be merged into one weight");
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
