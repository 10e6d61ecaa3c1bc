package io.peft4j.model.module;

import ai.djl.ndarray.NDArray;

/** Where a pass puts keys and values of its tokens, and finds those of the tokens before. */
public interface KeyValues {

  /**
   * {@return all of a layer's keys that the pass may look at [rows, heads, columns, d], {@code
   * part} [rows, heads, n, d] with them}
   */
  NDArray addKeys(int layer, NDArray part);

  /** {@return all of a layer's values, likewise} */
  NDArray addValues(int layer, NDArray part);
}
