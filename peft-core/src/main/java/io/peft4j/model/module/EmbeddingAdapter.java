package io.peft4j.model.module;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;

/** What an adapter does to one embedding table. */
public interface EmbeddingAdapter {

  /** {@return the rows to look up; unchanged unless the method has numbers that the table lacks} */
  default NDArray ids(NDArray ids) {
    return ids;
  }

  /** {@return whether {@link #mergedTable} is defined} */
  default boolean mergeable() {
    return true;
  }

  /**
   * @param ids int64 [..]
   * @param y the rows looked up so far [.., dim]
   * @return the new rows, on {@code ids}' manager
   */
  NDArray output(NDArray ids, NDArray y, Embedding embedding, Pass pass);

  /**
   * @param table float32 [rows, dim], with earlier adapters merged into it
   * @param base the table without any adapter, likewise
   * @return the table that gives the adapted rows by itself, float32 on {@code manager}
   */
  NDArray mergedTable(NDArray table, NDArray base, NDManager manager);

  /**
   * {@return what its graph keeps in training}
   *
   * @param dim elements of a row
   */
  Kept kept(long dim);

  /** {@return whether it has anything to train at the moment} */
  boolean trainable();
}
