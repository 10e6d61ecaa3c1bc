package io.peft4j.model.decoder;

import ai.djl.ndarray.NDArray;
import io.peft4j.model.batch.TokenBatch;
import io.peft4j.model.chain.Segment;
import io.peft4j.model.module.Kept;
import io.peft4j.model.module.Module;
import io.peft4j.model.module.Norm;
import io.peft4j.model.module.Pass;
import io.peft4j.torch.Ops;
import java.util.List;

/** The states that the head reads, normalized: [rows, length, hidden] to [n, hidden]. */
final class FinalNorm implements Segment {

  private final Norm norm;

  FinalNorm(Norm norm) {
    this.norm = norm;
  }

  @Override
  public NDArray forward(NDArray h, Pass pass) {
    return norm.forward(Ops.rows(h, pass.batch().read()));
  }

  /** What the norm reads, and what its weight, if that is trained, is multiplied with. */
  @Override
  public Kept kept(TokenBatch batch) {
    return Kept.perToken(2 * norm.parameters().get(0).shape().get(0));
  }

  @Override
  public List<Module> modules() {
    return List.of(norm);
  }
}
