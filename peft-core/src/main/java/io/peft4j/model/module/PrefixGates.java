package io.peft4j.model.module;

import ai.djl.ndarray.NDArray;
import io.peft4j.torch.AttentionOps;
import io.peft4j.torch.Ops;
import java.util.ArrayList;
import java.util.List;

/**
 * Gates of the prefixes before a layer's keys and values. Since an example's gate is one number,
 * and a query belongs to one example, it multiplies the prefix's columns of the scores, in place of
 * the keys, and of the probabilities, in place of the values: examples packed into one row share
 * the prefix and not the gate.
 */
public final class PrefixGates {

  /** No gates. */
  public PrefixGates() {}

  /**
   * @param start of the prefix's columns
   * @param gate [rows, queries, n], the first column for keys, the last for values
   */
  private record Gate(long start, long count, NDArray gate) {}

  private final List<Gate> gates = new ArrayList<>();
  private long columns;

  /** Counts a prefix after those before, whose gate may be null. */
  void add(long length, NDArray gate) {
    if (gate != null) {
      gates.add(new Gate(columns, length, gate));
    }
    columns += length;
  }

  public boolean isEmpty() {
    return gates.isEmpty();
  }

  /** {@return the gates of the queries that {@code cells} [rows, slots] name} */
  public PrefixGates of(NDArray cells) {
    PrefixGates picked = new PrefixGates();
    for (Gate gate : gates) {
      picked.gates.add(new Gate(gate.start, gate.count, Ops.rows(gate.gate, cells)));
    }
    return picked;
  }

  /** {@return products of queries and keys [rows, heads, queries, keys], gated} */
  public NDArray onKeys(NDArray products) {
    NDArray all = products;
    for (Gate gate : gates) {
      all = AttentionOps.gateColumns(all, gate.gate, 0, gate.start, gate.count);
    }
    return all;
  }

  /** {@return probabilities likewise, to weigh values with} */
  public NDArray onValues(NDArray probabilities) {
    NDArray all = probabilities;
    for (Gate gate : gates) {
      long last = gate.gate.getShape().get(2) - 1;
      all = AttentionOps.gateColumns(all, gate.gate, last, gate.start, gate.count);
    }
    return all;
  }
}
