package io.peft4j.model.module;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import io.peft4j.torch.AttentionOps;
import io.peft4j.torch.HostTensors;
import io.peft4j.torch.Ops;

/**
 * Keys and values of all tokens so far, by layer: [rows, heads, capacity, d], of which a part is
 * filled. Grows by doubling.
 */
public final class KeyValueCache implements KeyValues, AutoCloseable {

  private static final int ROUNDING = 32;

  private final NDManager manager;
  private final NDArray[] keys;
  private final NDArray[] values;
  private int filled;
  private NDArray offset;

  public KeyValueCache(NDManager parent, int layers) {
    manager = parent.newSubManager();
    keys = new NDArray[layers];
    values = new NDArray[layers];
    offset = HostTensors.number(manager, 0L);
  }

  @Override
  public NDArray addKeys(int layer, NDArray part) {
    keys[layer] = withRoom(keys[layer], part);
    return put(keys[layer], part);
  }

  @Override
  public NDArray addValues(int layer, NDArray part) {
    values[layer] = withRoom(values[layer], part);
    return put(values[layer], part);
  }

  /**
   * {@return how many columns keys and values have when {@code filled} of them are in use}: a few
   * more, so that libtorch meets few shapes, each of which costs it a kernel
   */
  public static int columns(int filled) {
    return (filled + ROUNDING - 1) / ROUNDING * ROUNDING;
  }

  private NDArray put(NDArray buffer, NDArray part) {
    AttentionOps.put(buffer, part, offset).close();
    int columns = columns(filled + (int) part.getShape().get(2));
    NDArray all = buffer.get(new NDIndex(":,:,0:{}", columns));
    all.attach(part.getManager());
    return all;
  }

  private NDArray withRoom(NDArray buffer, NDArray part) {
    long needed = columns(filled + (int) part.getShape().get(2));
    if (buffer != null && buffer.getShape().get(2) >= needed) {
      return buffer;
    }
    try (NDArray capacity = HostTensors.number(manager, 2 * needed)) {
      NDArray larger = AttentionOps.buffer(part, capacity);
      larger.attach(manager);
      if (buffer != null) {
        try (NDArray start = HostTensors.number(manager, 0L);
            NDArray old = buffer) {
          AttentionOps.put(larger, old, start).close();
        }
      }
      return larger;
    }
  }

  /** Says that all layers have been given {@code n} more tokens. */
  public void advance(int n) {
    filled += n;
    offset.close();
    offset = HostTensors.number(manager, (long) filled);
  }

  /** Keeps only these rows, in this order. */
  public void keep(long[] rows) {
    try (NDArray index = manager.create(rows)) {
      for (NDArray[] buffers : new NDArray[][] {keys, values}) {
        for (int layer = 0; layer < buffers.length; layer++) {
          try (NDArray old = buffers[layer]) {
            buffers[layer] = Ops.pick(old, index);
          }
        }
      }
    }
  }

  @Override
  public void close() {
    manager.close();
  }
}
