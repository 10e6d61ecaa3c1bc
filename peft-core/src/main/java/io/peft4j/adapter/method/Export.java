package io.peft4j.adapter.method;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.util.Map;

/** What is written in place of an adapter's own config and tensors. */
public interface Export {

  /** {@return the config that goes with {@link #tensors}} */
  AdapterConfig config(AdapterConfig config);

  /**
   * @param all the trained and frozen tensors
   * @return what to write, by key; new arrays on {@code scope}
   */
  Map<String, NDArray> tensors(Map<String, NDArray> all, NDManager scope);
}
