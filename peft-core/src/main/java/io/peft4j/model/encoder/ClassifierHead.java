package io.peft4j.model.encoder;

import ai.djl.ndarray.NDArray;
import io.peft4j.model.batch.TokenBatch;
import io.peft4j.model.chain.Segment;
import io.peft4j.model.module.Kept;
import io.peft4j.model.module.KeptElements;
import io.peft4j.model.module.Linear;
import io.peft4j.model.module.Module;
import io.peft4j.model.module.Pass;
import java.util.List;

/** First tokens' states [examples, hidden] to logits [examples, labels], as each family has it. */
final class ClassifierHead implements Segment {

  private final Linear dense;
  private final Linear logits;
  private final EncoderSpec.Head spec;

  ClassifierHead(Linear dense, Linear logits, EncoderSpec.Head spec) {
    this.dense = dense;
    this.logits = logits;
    this.spec = spec;
  }

  @Override
  public NDArray forward(NDArray states, Pass pass) {
    NDArray first = spec.dropoutBefore() ? pass.dropout(states, spec.dropout()) : states;
    NDArray pooled = spec.activation().apply(dense.forward(first, pass));
    return logits.forward(pass.dropout(pooled, spec.dropout()), pass);
  }

  /** Of single tokens, but as if of all: there are few labels, and it is the last. */
  @Override
  public Kept kept(TokenBatch batch) {
    long hidden = dense.projection().out();
    return Kept.perToken(hidden + 2 * KeptElements.ofDropout(hidden, spec.dropout()))
        .plus(KeptElements.ofInput(List.of(dense)))
        .plus(KeptElements.ofInput(List.of(logits)));
  }

  @Override
  public List<Module> modules() {
    return List.of(dense, logits);
  }
}
