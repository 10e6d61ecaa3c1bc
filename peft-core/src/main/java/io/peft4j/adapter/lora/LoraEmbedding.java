package io.peft4j.adapter.lora;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import io.peft4j.model.module.Embedding;
import io.peft4j.model.module.EmbeddingAdapter;
import io.peft4j.model.module.Kept;
import io.peft4j.model.module.Pass;

/** LoRA, or DoRA, on one embedding: {@code y + scaling · (Aᵀ)[ids] Bᵀ}. */
final class LoraEmbedding implements EmbeddingAdapter {

  private final LoraFactors factors;
  private final DoraMagnitude magnitude;

  /**
   * @param magnitude one number a column of the table; null for plain LoRA
   */
  LoraEmbedding(LoraFactors factors, DoraMagnitude magnitude) {
    this.factors = factors;
    this.magnitude = magnitude;
  }

  @Override
  public NDArray output(NDArray ids, NDArray y, Embedding embedding, Pass pass) {
    if (magnitude == null) {
      return LoraOps.loraEmbedding(ids, y, factors.a(), factors.b(), factors.scale());
    }
    return LoraOps.doraEmbedding(
        ids,
        y,
        factors.a(),
        factors.b(),
        factors.scale(),
        magnitude.magnitude(),
        magnitude.rowSquares(),
        embedding.weight().value());
  }

  @Override
  public NDArray mergedTable(NDArray table, NDArray base, NDManager manager) {
    try (NDManager scope = manager.newSubManager()) {
      NDArray columns = table.transpose();
      columns.attach(scope);
      NDArray baseColumns = base.transpose();
      baseColumns.attach(scope);
      NDArray delta = factors.delta(scope);
      NDArray merged =
          magnitude == null
              ? columns.add(delta)
              : magnitude.apply(columns, baseColumns, delta, scope);
      merged.attach(scope);
      NDArray rows = merged.transpose().duplicate();
      rows.attach(manager);
      return rows;
    }
  }

  /** In float32: what is looked up in A, and with a magnitude the rows that it scales. */
  @Override
  public Kept kept(long dim) {
    long rank = factors.a().getShape().get(0);
    return magnitude == null
        ? Kept.perToken(2 * rank)
        : new Kept(2 * (rank + dim), 0, 4 * rank * dim);
  }

  @Override
  public boolean trainable() {
    return factors.trainable();
  }
}
