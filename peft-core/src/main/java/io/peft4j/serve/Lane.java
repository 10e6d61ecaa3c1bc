package io.peft4j.serve;

import io.peft4j.adapter.method.Adapter;
import io.peft4j.model.DecodingSlots;
import io.peft4j.model.Model;
import io.peft4j.model.Uses;
import io.peft4j.model.module.Linear;
import java.util.ArrayList;
import java.util.List;

/**
 * Sequences that run in one pass: all whose adapters run together, or those of one other adapter.
 * The first {@link #decoding} of them have one token to compute, the others more: their prompts.
 */
final class Lane implements AutoCloseable {

  /** Fewer common tokens than these are sooner computed than looked for. */
  private static final int SHARED = 16;

  private final Model model;
  private final AdapterVersion owner;
  private final LoraStacks stacks;
  private final DecodingSlots slots;
  private final List<Generation> rows = new ArrayList<>();
  private final boolean chunks;
  private int decoding;

  /**
   * @param owner the adapter whose own it is; null for the lane of all that run together
   */
  Lane(Model model, AdapterVersion owner) {
    this.model = model;
    this.owner = owner;
    this.stacks = owner == null ? new LoraStacks(model) : null;
    this.slots = new DecodingSlots(model);
    this.chunks = owner == null || !readsAllTokens(owner.adapter());
  }

  /** Gates look at all tokens of a pass, so that a prompt in parts would have others. */
  private boolean readsAllTokens(Adapter adapter) {
    adapter.activate();
    try {
      return adapter.config().peftType().startsWith("GATED")
          || Linear.anyReadsAllTokens(model.modules().leaves())
          || model.sites().stream().anyMatch(sites -> sites.readsAllTokens());
    } finally {
      adapter.deactivate();
    }
  }

  AdapterVersion owner() {
    return owner;
  }

  List<Generation> rows() {
    return rows;
  }

  int decoding() {
    return decoding;
  }

  int prefilling() {
    return rows.size() - decoding;
  }

  DecodingSlots slots() {
    return slots;
  }

  /** {@return how many adapters, or the bare base, a range of rows has} */
  int adapters(int first, int count) {
    return (int)
        rows.subList(first, first + count).stream().map(Generation::version).distinct().count();
  }

  /**
   * Adds a sequence, for which there is room. What one of the others has computed of the same
   * tokens with the same adapter is taken over.
   *
   * @return tokens that need not be computed
   */
  int join(Generation sequence) {
    slots.add();
    rows.add(sequence);
    int shared = share(rows.size() - 1);
    if (stacks != null) {
      stacks.put(rows.size() - 1, sequence.version().adapter());
    }
    settle(rows.size() - 1);
    return shared;
  }

  private int share(int row) {
    Generation sequence = rows.get(row);
    int best = 0;
    int most = SHARED - 1;
    for (int other = 0; other < row && chunks; other++) {
      if (rows.get(other).version() == sequence.version()) {
        int common = Math.min(sequence.common(rows.get(other)), slots.length(other));
        if (common > most) {
          best = other;
          most = common;
        }
      }
    }
    if (most < SHARED) {
      return 0;
    }
    slots.share(best, row, most);
    return most;
  }

  /** Moves a row to where it belongs, if all but one of its tokens have been computed. */
  private void settle(int row) {
    if (row >= decoding && rows.get(row).pending(slots.length(row)) == 1) {
      swap(row, decoding);
      decoding++;
    }
  }

  private void swap(int one, int other) {
    if (one != other) {
      slots.swap(one, other);
      if (stacks != null) {
        stacks.swap(one, other);
      }
      Generation kept = rows.get(one);
      rows.set(one, rows.get(other));
      rows.set(other, kept);
    }
  }

  /** Takes a row out. */
  void leave(int row) {
    int at = row;
    if (at < decoding) {
      // the last of those that decode comes into its place, and the last of all into that one's
      decoding--;
      replace(at, decoding);
      at = decoding;
    }
    replace(at, rows.size() - 1);
    slots.removeLast();
    rows.remove(rows.size() - 1);
    if (stacks != null) {
      stacks.drop(rows.size());
    }
  }

  /** Gives back the room that its rows do not need. */
  void shrink() {
    slots.resize(rows.size(), DecodingSlots.columns(slots.longest()));
  }

  private void replace(int row, int by) {
    if (row != by) {
      slots.move(by, row);
      if (stacks != null) {
        stacks.move(by, row);
      }
      rows.set(row, rows.get(by));
    }
  }

  /**
   * {@return how many tokens of a row that is being prefilled the next pass may take}
   *
   * @param share of the tokens of a pass
   */
  int chunk(int row, int share) {
    Generation sequence = rows.get(row);
    int computed = slots.length(row);
    int pending = sequence.pending(computed);
    if (chunks) {
      return Math.min(pending, Math.max(1, share));
    }
    return computed < sequence.prompt() ? sequence.prompt() - computed : 1;
  }

  /**
   * Computes the next tokens of rows that follow each other.
   *
   * @param counts tokens of each
   * @return each one's logits
   */
  float[][] run(int first, int[] counts) {
    int[][] tokens = new int[counts.length][];
    for (int i = 0; i < counts.length; i++) {
      tokens[i] = rows.get(first + i).tokens(slots.length(first + i), counts[i]);
    }
    try (Uses.Use use = model.uses().changeInTurn("serve")) {
      enter(first, counts.length);
      try {
        return slots.step(first, tokens);
      } finally {
        exit();
      }
    }
  }

  private void enter(int first, int count) {
    if (owner != null) {
      owner.adapter().activate();
    } else {
      stacks.attach(new LoraStack.Rows(first, count, adapters(first, count) == 1));
    }
  }

  private void exit() {
    if (owner != null) {
      owner.adapter().deactivate();
    } else {
      stacks.detach();
    }
  }

  /** Puts rows whose prompts have been computed among those that decode. */
  void settle() {
    for (int row = decoding; row < rows.size(); row++) {
      settle(row);
    }
  }

  /** {@return what the prompt is with what the adapter puts before it, and how long it may be} */
  static int[] before(Model model, AdapterVersion version, int[] prompt, int[] context) {
    try (Uses.Use use = model.uses().changeInTurn("look at a prompt")) {
      Adapter adapter = version.adapter();
      boolean alone = adapter != null && !version.together();
      if (alone) {
        adapter.activate();
      }
      try {
        context[0] = model.maxLength();
        model.sequence(prompt, null); // tokens that the model does not have, or too many
        return model.virtualTokens().before(prompt);
      } finally {
        if (alone) {
          adapter.deactivate();
        }
      }
    }
  }

  @Override
  public void close() {
    slots.close();
    if (stacks != null) {
      stacks.close();
    }
  }
}
