package io.peft4j.model.decoder;

import ai.djl.ndarray.NDArray;
import io.peft4j.model.batch.TokenBatch;
import io.peft4j.model.chain.Segment;
import io.peft4j.model.module.Kept;
import io.peft4j.model.module.KeptElements;
import io.peft4j.model.module.Linear;
import io.peft4j.model.module.Module;
import io.peft4j.model.module.Pass;
import java.util.List;

/** Last tokens' states [examples, hidden] to logits [examples, labels]. */
final class ScoreHead implements Segment {

  private final Linear score;

  ScoreHead(Linear score) {
    this.score = score;
  }

  @Override
  public NDArray forward(NDArray states, Pass pass) {
    return score.forward(states, pass);
  }

  @Override
  public Kept kept(TokenBatch batch) {
    return KeptElements.ofInput(List.of(score));
  }

  @Override
  public List<Module> modules() {
    return List.of(score);
  }
}
