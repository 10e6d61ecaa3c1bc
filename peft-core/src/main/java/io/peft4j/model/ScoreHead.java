package io.peft4j.model;

import ai.djl.ndarray.NDArray;
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
  public List<Module> modules() {
    return List.of(score);
  }
}
