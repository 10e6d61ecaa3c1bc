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
import java.util.Arrays;

/**
 * The LoRA factors that several adapters have for one linear layer, at numbered places: A [places,
 * R, in] and B [places, R, out], scaled, float32. A place is written when its adapter comes, and
 * read by every pass until it goes: nothing is gathered for a pass whose rows follow each other.
 * Only ranks up to the largest of the pass are computed.
 */
final class LoraStack implements ProjectionAdapter {

  private final Linear linear;
  private final NDManager manager;
  private NDArray a;
  private NDArray b;
  private int[] ranks = {};

  /** Where there are other numbers than zeros. */
  private boolean[] written = {};

  private Selection selection;
  private Part part;

  /**
   * What a pass reads of the stacks, which the next one most often does too.
   *
   * @param range first place, places or 0, rank
   */
  private record Part(long[] range, NDArray a, NDArray b) {
    void close() {
      a.close();
      b.close();
    }
  }

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
  LoraStack(Linear linear, NDManager owner) {
    this.linear = linear;
    this.manager = owner.newSubManager();
    a = manager.zeros(new Shape(0, 0, linear.projection().in()));
    b = manager.zeros(new Shape(0, 0, linear.projection().out()));
  }

  Linear linear() {
    return linear;
  }

  /** {@return bytes of the stacks} */
  long bytes() {
    return (a.size() + b.size()) * Float.BYTES;
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
      forget();
      a = larger(a, n, r);
      b = larger(b, n, r);
    }
  }

  private NDArray larger(NDArray stack, long places, long rank) {
    try (NDArray old = stack) {
      return StackOps.grown(old, manager, places, rank, old.getShape().get(2));
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
      Part own = part(rows.first, rows.same ? 0 : rows.count, rank());
      return rows.same ? StackOps.byOne(y, x, own.a, own.b) : StackOps.byRow(y, x, own.a, own.b);
    }
    try (NDArray rank = HostTensors.number(manager, (long) rank())) {
      return StackOps.byGroup(y, x, a, b, pass.groups(x), rank);
    }
  }

  private Part part(long... numbers) {
    if (part == null || !Arrays.equals(numbers, part.range)) {
      forget();
      try (NDArray range = HostTensors.numbers(manager, numbers)) {
        part = new Part(numbers, StackOps.part(a, range), StackOps.part(b, range));
      }
    }
    return part;
  }

  private void forget() {
    if (part != null) {
      part.close();
      part = null;
    }
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
