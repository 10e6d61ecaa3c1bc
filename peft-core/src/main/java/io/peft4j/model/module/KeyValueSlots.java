package io.peft4j.model.module;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import io.peft4j.torch.HostTensors;
import io.peft4j.torch.Script;
import java.util.stream.LongStream;

/**
 * Keys and values of sequences that come and go, each in a slot of its own with as many tokens as
 * it has: by layer [slots, heads, capacity, d]. A pass is over slots that follow each other, so
 * that nothing is gathered: who lets a sequence go moves another into its slot.
 *
 * <p>Not thread-safe.
 */
public final class KeyValueSlots implements KeyValues, AutoCloseable {

  private static final Script SCRIPT = Script.of(KeyValueSlots.class, "slots.py");

  private final NDManager manager;
  private final NDArray[] keys;
  private final NDArray[] values;
  private int slots;
  private int capacity;
  private Places places;

  /**
   * Where the tokens of a pass go.
   *
   * @param source int64 [t]: which of the pass's tokens, row by row
   * @param slot int64 [t]
   * @param column int64 [t]
   * @param seen int64 [3]: first slot of the pass, slots, columns that are looked at
   */
  private record Places(NDArray source, NDArray slot, NDArray column, NDArray seen)
      implements AutoCloseable {
    @Override
    public void close() {
      source.close();
      slot.close();
      column.close();
      seen.close();
    }
  }

  public KeyValueSlots(NDManager parent, int layers) {
    manager = parent.newSubManager();
    keys = new NDArray[layers];
    values = new NDArray[layers];
  }

  /** {@return how many sequences there is room for} */
  public int slots() {
    return slots;
  }

  /** {@return how many tokens of each there is room for} */
  public int capacity() {
    return capacity;
  }

  /** Makes room for exactly so many sequences and tokens; what does not fit any more is lost. */
  public void resize(int newSlots, int newCapacity) {
    if (newSlots == slots && newCapacity == capacity) {
      return;
    }
    slots = newSlots;
    capacity = newCapacity;
    try (NDArray n = HostTensors.number(manager, (long) slots);
        NDArray m = HostTensors.number(manager, (long) capacity)) {
      for (NDArray[] buffers : new NDArray[][] {keys, values}) {
        for (int layer = 0; layer < buffers.length; layer++) {
          if (buffers[layer] != null) {
            try (NDArray old = buffers[layer]) {
              buffers[layer] = SCRIPT.call("resized", old, n, m);
            }
          }
        }
      }
    }
  }

  /**
   * Begins a pass over {@code rows} slots from {@code first} on, whose tokens number {@code source}
   * of each [row, n] go to {@code slot} and {@code column}.
   *
   * @param columns how many columns of each slot are looked at
   */
  public void begin(int first, int rows, int columns, long[] source, long[] slot, long[] column) {
    end();
    places =
        new Places(
            manager.create(source),
            manager.create(slot),
            manager.create(column),
            HostTensors.numbers(manager, first, rows, columns));
  }

  /** Ends a pass. */
  public void end() {
    if (places != null) {
      places.close();
      places = null;
    }
  }

  @Override
  public NDArray addKeys(int layer, NDArray part) {
    return add(keys, layer, part);
  }

  @Override
  public NDArray addValues(int layer, NDArray part) {
    return add(values, layer, part);
  }

  private NDArray add(NDArray[] buffers, int layer, NDArray part) {
    if (buffers[layer] == null) {
      try (NDArray n = HostTensors.number(manager, (long) slots);
          NDArray m = HostTensors.number(manager, (long) capacity)) {
        // zeros, not whatever was there: what nobody sees is multiplied with 0 all the same
        buffers[layer] = SCRIPT.call("zeros", part, n, m);
        buffers[layer].attach(manager);
      }
    }
    return SCRIPT.call(
        "write", part, buffers[layer], places.source, places.slot, places.column, places.seen);
  }

  /** Puts the first {@code columns} of slot {@code from} in the place of those of {@code to}. */
  public void move(int from, int to, int columns) {
    onEach("move", from, to, columns);
  }

  /** Changes the first {@code columns} of two slots for each other. */
  public void swap(int one, int other, int columns) {
    onEach("swap", one, other, columns);
  }

  /** Sets a slot to zeros, in which numbers came up that are not finite. */
  public void clear(int slot) {
    onEach("clear", slot);
  }

  private void onEach(String function, long... numbers) {
    NDArray[] arguments =
        LongStream.of(numbers)
            .mapToObj(number -> HostTensors.number(manager, number))
            .toArray(NDArray[]::new);
    for (NDArray[] buffers : new NDArray[][] {keys, values}) {
      for (NDArray buffer : buffers) {
        if (buffer != null) {
          NDArray[] all = new NDArray[arguments.length + 1];
          all[0] = buffer;
          System.arraycopy(arguments, 0, all, 1, arguments.length);
          SCRIPT.call(function, all).close();
        }
      }
    }
    for (NDArray argument : arguments) {
      argument.close();
    }
  }

  @Override
  public void close() {
    manager.close();
  }
}
